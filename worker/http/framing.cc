#include "worker/http/framing.h"

#include "worker/http/authority.h"
#include "worker/http/head_check.h"
#include "worker/http/text.h"

#include <limits>

namespace fsrv::http {
namespace {

constexpr auto kMaxLength = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

// The element before the next comma, trimmed; `rest` goes on behind it.
std::string_view take_element(std::string_view& rest, bool& last) {
    const auto comma = rest.find(',');
    const auto element = trim(rest.substr(0, comma));
    last = comma == std::string_view::npos;
    rest.remove_prefix(last ? rest.size() : comma + 1);
    return element;
}

Refusal bad(std::string_view what) {
    return {.status = 400, .what = what};
}

std::optional<Refusal> check_transfer_encoding(std::string_view value) {
    bool chunked_seen = false;
    bool other_seen = false;
    for (bool last = false; !last;) {
        const auto element = take_element(value, last);
        const auto semicolon = element.find(';');
        const auto coding = trim(element.substr(0, semicolon));
        if (!is_token(coding)) return bad("malformed Transfer-Encoding");
        if (chunked_seen) return bad("chunked is not the last transfer coding");
        if (equal_ignoring_case(coding, "chunked")) {
            if (semicolon != std::string_view::npos) return bad("chunked has no parameters");
            chunked_seen = true;
        } else {
            other_seen = true;
        }
    }
    if (other_seen) return Refusal{.status = 501, .what = "unknown transfer coding"};
    return std::nullopt;
}

std::optional<std::uint64_t> parse_length(std::string_view digits) {
    if (digits.empty()) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9') return std::nullopt;
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (value > (kMaxLength - digit) / 10) return std::nullopt;
        value = value * 10 + digit;
    }
    return value;
}

} // namespace

std::optional<Refusal> apply_fields(Request& request) {
    const Field* host = nullptr;
    const Field* length = nullptr;
    const Field* encoding = nullptr;
    bool close = false;
    bool keep = false;
    request.expects_continue = false;
    for (const Field& field : request.all_fields()) {
        if (equal_ignoring_case(field.name, "Host")) {
            if (host) return bad("more than one Host");
            host = &field;
        } else if (equal_ignoring_case(field.name, "Content-Length")) {
            if (length) return bad("more than one Content-Length");
            length = &field;
        } else if (equal_ignoring_case(field.name, "Transfer-Encoding")) {
            if (encoding) return bad("more than one Transfer-Encoding");
            encoding = &field;
        } else if (equal_ignoring_case(field.name, "Connection")) {
            auto rest = field.value;
            for (bool last = false; !last;) {
                const auto option = take_element(rest, last);
                close = close || equal_ignoring_case(option, "close");
                keep = keep || equal_ignoring_case(option, "keep-alive");
            }
        } else if (equal_ignoring_case(field.name, "Expect")) {
            if (equal_ignoring_case(field.value, "100-continue"))
                request.expects_continue = request.minor_version == 1;
        }
    }

    if (!host && request.minor_version == 1) return bad("no Host");
    if (host && !host->value.empty() && !is_authority(host->value)) return bad("malformed Host");
    if (host && request.host.empty()) request.host = host->value;

    request.chunked = false;
    request.content_length = 0;
    if (encoding) {
        if (request.minor_version == 0) return bad("Transfer-Encoding in HTTP/1.0");
        if (length) return bad("both Content-Length and Transfer-Encoding");
        if (const auto refusal = check_transfer_encoding(encoding->value)) return refusal;
        request.chunked = true;
    } else if (length) {
        const auto value = parse_length(length->value);
        if (!value) return bad("malformed Content-Length");
        request.content_length = *value;
    }

    request.keep_alive = !close && (request.minor_version == 1 || keep);
    return std::nullopt;
}

} // namespace fsrv::http
