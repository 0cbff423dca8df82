#include "worker/http/secret_query.h"

#include "common/ascii.h"

#include <algorithm>
#include <array>

namespace fsrv::http {
namespace {

constexpr std::array<std::string_view, 3> kNames = {"sig", "token", "access_token"};
constexpr std::string_view kHidden = "...";
constexpr std::string_view kEnds = "&; #\"\t\r\n"; // of a value, wherever the text stands

// As the name is once it is decoded: it may be spelt in many ways.
bool is_secret_name(std::string_view name) {
    std::string plain;
    for (std::size_t i = 0; i < name.size() && plain.size() < 16; ++i) {
        const auto code = name[i] == '%' && i + 2 < name.size()
                              ? to_number<unsigned char>(name.substr(i + 1, 2), 16)
                              : std::nullopt;
        if (code) i += 2;
        plain += lower(code ? static_cast<char>(*code) : name[i]);
    }
    return std::ranges::find(kNames, plain) != kNames.end();
}

// The next secret value in `text` from `at` on: where it begins and ends.
struct Part {
    std::size_t begin = std::string_view::npos;
    std::size_t end = std::string_view::npos;
};
Part next_secret(std::string_view text, std::size_t at) {
    while (at < text.size()) {
        const std::size_t name_end = text.find_first_of("=&;?# ", at);
        if (name_end == std::string_view::npos) return {};
        if (text[name_end] != '=') {
            at = name_end + 1;
            continue;
        }
        const std::size_t end = std::min(text.find_first_of(kEnds, name_end), text.size());
        const std::string_view value = text.substr(name_end + 1, end - name_end - 1);
        if (is_secret_name(text.substr(at, name_end - at)) && !value.empty() && value != kHidden)
            return {.begin = name_end + 1, .end = end};
        at = name_end + 1;
    }
    return {};
}

// The name and password before the host of an address (RFC 3986 3.2.1). Only its scheme stands
// before the first slash.
Part userinfo(std::string_view text) {
    if (text.find('@') == std::string_view::npos) return {};
    const std::size_t slash = text.find('/');
    const std::size_t scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos || scheme_end + 1 != slash) return {};
    const std::size_t begin = scheme_end + 3;
    const std::string_view authority =
        text.substr(begin, text.find_first_of("/?# \t", begin) - begin);
    const std::size_t size = authority.rfind('@');
    if (size == std::string_view::npos || size == 0 || authority.substr(0, size) == kHidden)
        return {};
    return {.begin = begin, .end = begin + size};
}

} // namespace

bool has_secret(std::string_view text) {
    if (userinfo(text).begin != std::string_view::npos) return true;
    const std::size_t query = text.find('?');
    return query != std::string_view::npos &&
           next_secret(text, query + 1).begin != std::string_view::npos;
}

std::string without_secrets(std::string_view text) {
    std::string out;
    std::size_t at = 0;
    if (const Part name = userinfo(text); name.begin != std::string_view::npos) {
        out.append(text, 0, name.begin).append(kHidden);
        at = name.end;
    }
    const std::size_t query = text.find('?');
    for (std::size_t from = query == std::string_view::npos ? text.size() : query + 1;;) {
        const Part secret = next_secret(text, from);
        if (secret.begin == std::string_view::npos) break;
        out.append(text, at, secret.begin - at).append(kHidden);
        at = from = secret.end;
    }
    return out.append(text, at);
}

} // namespace fsrv::http
