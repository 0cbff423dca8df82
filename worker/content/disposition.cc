#include "worker/content/disposition.h"

#include "common/escape.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>

namespace fsrv::content {
namespace {

// RFC 8187 3.2.1, attr-char.
bool is_attr_char(char c) {
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return true;
    return std::string_view("!#$&+-.^_`|~").find(c) != std::string_view::npos;
}

} // namespace

std::string attachment(std::string_view name) {
    std::string plain;
    std::string extended;
    bool exact = true;
    while (!name.empty()) {
        const std::size_t length = utf8_length(name);
        const std::string_view bytes = name.substr(0, std::max<std::size_t>(length, 1));
        const auto first = static_cast<unsigned char>(name.front());
        name.remove_prefix(bytes.size());
        if (length == 0 || first < 0x20 || first == 0x7F) {
            plain += '_';
            extended += '_';
            continue;
        }
        // A backslash or a "%" followed by digits is read in more than one way by what is out there
        // (RFC 6266 appendix D).
        const bool safe = first < 0x7F && first != '"' && first != '\\' && first != '%';
        exact = exact && safe;
        plain += safe ? bytes.front() : '_';
        for (const char c : bytes) {
            if (is_attr_char(c)) {
                extended += c;
            } else {
                fmt::format_to(std::back_inserter(extended), "%{:02X}",
                               static_cast<unsigned char>(c));
            }
        }
    }
    std::string value = fmt::format("attachment; filename=\"{}\"", plain);
    if (!exact) value.append("; filename*=UTF-8''").append(extended);
    return value;
}

} // namespace fsrv::content
