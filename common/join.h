// Texts in a row. fmt::join would do, but gcc 12 warns of its inside at -O3 (-Wstringop-overflow,
// falsely).
#pragma once

#include <string>
#include <string_view>

namespace fsrv {

template <class Texts> // a range of what converts to std::string_view
std::string join(const Texts& texts, std::string_view separator) {
    std::string all;
    bool first = true;
    for (const std::string_view text : texts) {
        if (!first) all += separator;
        all += text;
        first = false;
    }
    return all;
}

} // namespace fsrv
