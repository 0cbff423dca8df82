// Weights in lists of what a client would like (RFC 9110 12.4.2).
#pragma once

#include "worker/http/text.h"

#include <string_view>

namespace fsrv::http {

// weight = "0" [ "." 0*3DIGIT ] / "1" [ "." 0*3("0") ], in thousandths; -1: malformed.
constexpr int parse_weight(std::string_view text) {
    if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return -1;
    int value = (text[0] - '0') * 1000;
    if (text.size() > 1 && text[1] != '.') return -1;
    int unit = 100;
    for (std::size_t i = 2; i < text.size(); ++i, unit /= 10) {
        if (text[i] < '0' || text[i] > '9') return -1;
        value += (text[i] - '0') * unit;
    }
    return value <= 1000 ? value : -1;
}

// Of an element of such a list, by the parameters that follow its name: as above, 1000 without one.
constexpr int weight_of(std::string_view parameters) {
    int weight = 1000;
    while (!parameters.empty()) {
        const auto parameter = trim(take_until(parameters, ';'));
        if (parameter.starts_with("q=") || parameter.starts_with("Q="))
            weight = parse_weight(parameter.substr(2));
    }
    return weight;
}

} // namespace fsrv::http
