// Small things that the parsers of field values share.
#pragma once

#include <string_view>

namespace fsrv::http {

// Without OWS (RFC 9110 5.6.3) at both ends.
constexpr std::string_view trim(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

} // namespace fsrv::http
