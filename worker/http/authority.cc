#include "worker/http/authority.h"

#include "worker/http/request.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>

namespace fsrv::http {
namespace {

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
constexpr bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
constexpr bool is_name_char(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '~';
}

// An IPv4 address is a name by its characters.
bool is_name(std::string_view text) {
    bool label_empty = true;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '.') {
            if (label_empty) return false;
            label_empty = true;
            continue;
        }
        label_empty = false;
        if (text[i] == '%') {
            if (text.size() - i < 3 || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
            i += 2;
        } else if (!is_name_char(text[i])) {
            return false;
        }
    }
    return !text.empty();
}

bool is_ipv6(std::string_view text) {
    std::array<char, INET6_ADDRSTRLEN> terminated{};
    if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) return false;
    text.copy(terminated.data(), text.size());
    in6_addr address{};
    return inet_pton(AF_INET6, terminated.data(), &address) == 1;
}

// "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )
bool is_ip_future(std::string_view text) {
    if (!text.starts_with('v') && !text.starts_with('V')) return false;
    const auto dot = text.find('.');
    if (dot == std::string_view::npos) return false;
    const auto version = text.substr(1, dot - 1);
    const auto address = text.substr(dot + 1);
    return !version.empty() && std::all_of(version.begin(), version.end(), is_hex) &&
           !address.empty() && std::all_of(address.begin(), address.end(), [](char c) {
               return is_name_char(c) ||
                      std::string_view(".!$&'()*+,;=:").find(c) != std::string_view::npos;
           });
}

bool is_port(std::string_view digits) {
    unsigned value = 0;
    for (const char c : digits) {
        if (!is_digit(c)) return false;
        value = value * 10 + static_cast<unsigned>(c - '0');
        if (value > 65535) return false;
    }
    return true;
}

bool starts_ignoring_case(std::string_view text, std::string_view prefix) {
    return text.size() >= prefix.size() &&
           equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

} // namespace

bool is_authority(std::string_view text) {
    std::size_t host_end = 0;
    if (text.starts_with('[')) {
        const auto bracket = text.find(']');
        if (bracket == std::string_view::npos) return false;
        const auto address = text.substr(1, bracket - 1);
        if (!is_ipv6(address) && !is_ip_future(address)) return false;
        host_end = bracket + 1;
    } else {
        host_end = std::min(text.find(':'), text.size());
        if (!is_name(text.substr(0, host_end))) return false;
    }
    const auto rest = text.substr(host_end);
    return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
}

std::string_view without_port(std::string_view authority) {
    const std::size_t bracket = authority.rfind(']');
    return authority.substr(0,
                            authority.find(':', bracket == std::string_view::npos ? 0 : bracket));
}

std::optional<AbsoluteForm> split_absolute(std::string_view target) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!starts_ignoring_case(target, scheme)) continue;
        const auto rest = target.substr(scheme.size());
        const auto end = std::min(rest.find_first_of("/?"), rest.size());
        if (!is_authority(rest.substr(0, end))) return std::nullopt;
        const auto origin = rest.substr(end);
        return AbsoluteForm{.authority = rest.substr(0, end),
                            .origin = origin.empty() ? "/" : origin};
    }
    return std::nullopt;
}

} // namespace fsrv::http
