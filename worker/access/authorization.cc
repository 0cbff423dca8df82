#include "worker/access/authorization.h"

#include "common/ascii.h"
#include "common/crypto/base64.h"
#include "common/escape.h"

#include <algorithm>

namespace fsrv::access {
namespace {

using Kind = Authorization::Kind;

bool has_control(std::string_view text) {
    return std::ranges::any_of(text, [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; });
}

// RFC 9110 11.2: token68.
bool is_token68(std::string_view text) {
    const std::size_t end = text.find_last_not_of('=') + 1;
    return end > 0 && std::ranges::all_of(text.substr(0, end), [](char c) {
               return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') ||
                      std::string_view("-._~+/").find(c) != std::string_view::npos;
           });
}

Authorization broken(std::string_view why) {
    return {.kind = Kind::broken, .why = why};
}

Authorization parse_basic(std::string_view credentials) {
    auto decoded = crypto::decode_base64(credentials, crypto::Base64::standard);
    if (!decoded) return broken("no base64");
    const Secret bytes(std::move(*decoded));
    const std::string_view text = bytes.view();
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return broken("no colon");
    if (!is_utf8(text)) return broken("no UTF-8");
    if (has_control(text)) return broken("a control character");
    return {.kind = Kind::basic,
            .user = std::string(text.substr(0, colon)),
            .password = Secret(std::string(text.substr(colon + 1)))};
}

} // namespace

Authorization parse_authorization(std::string_view value) {
    const std::string_view scheme = take_before(value, ' ');
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    if (http::equal_ignoring_case(scheme, "basic")) return parse_basic(value);
    if (!http::equal_ignoring_case(scheme, "bearer")) return {};
    if (!is_token68(value)) return broken("no token");
    return {.kind = Kind::bearer, .token = value};
}

Result<Authorization, AuthorizationRefusal> read_authorization(const http::Request& request) {
    constexpr std::string_view kName = "authorization";
    const auto value = request.field(kName);
    if (value) return parse_authorization(*value);
    if (request.count(kName) > 1)
        return unexpected(AuthorizationRefusal{.what = "more than one Authorization"});
    return Authorization{};
}

} // namespace fsrv::access
