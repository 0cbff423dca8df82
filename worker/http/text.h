// Small things that the parsers of field values share.
#pragma once

#include <algorithm>
#include <string_view>

namespace fsrv::http {

// Without OWS (RFC 9110 5.6.3) at both ends.
constexpr std::string_view trim(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Takes off `text` what stands before its first `separator` outside quoted strings (RFC 9110
// 5.6.4), all of it where there is none, and the separator. `quoted`: no quote ended the last one.
constexpr std::string_view take_until(std::string_view& text, char separator, bool& quoted) {
    quoted = false;
    std::size_t i = 0;
    for (; i < text.size(); ++i) {
        if (quoted && text[i] == '\\')
            ++i;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && text[i] == separator)
            break;
    }
    const std::size_t end = std::min(i, text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return part;
}

constexpr std::string_view take_until(std::string_view& text, char separator) {
    bool quoted = false;
    return take_until(text, separator, quoted);
}

} // namespace fsrv::http
