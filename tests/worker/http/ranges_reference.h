// Range, the slow and obvious way: with 128-bit numbers, by RFC 9110 14 and the table in the
// documents. For the tests and the fuzz target to compare with.
#pragma once

#include "worker/http/ranges.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv::http::test {

__extension__ using Wide = unsigned __int128;

struct NaiveNumber {
    bool present = false;
    Wide value = 0; // saturates at 2^64-1, which no file reaches
};

inline std::optional<NaiveNumber> naive_number(const std::string& digits) {
    constexpr Wide kTop = ~static_cast<std::uint64_t>(0);
    NaiveNumber number{.present = !digits.empty()};
    for (const char c : digits) {
        if (std::string("0123456789").find(c) == std::string::npos) return std::nullopt;
        number.value = std::min<Wide>(number.value * 10 + static_cast<Wide>(c - '0'), kTop);
    }
    return number;
}

inline std::string naive_trim(std::string text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.erase(0, 1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
    return text;
}

inline RangeResult naive_ranges(std::string_view field, std::uint64_t size, unsigned max_ranges) {
    RangeResult whole;
    RangeResult unsatisfiable{.verdict = RangeVerdict::unsatisfiable};
    std::string text(field);
    if (text.size() < 6 || text[5] != '=') return whole;
    for (std::size_t i = 0; i < 5; ++i)
        if (text[i] != "bytes"[i] && text[i] != "BYTES"[i]) return whole;
    if (size == 0) return whole;

    std::vector<std::string> specs(1);
    for (const char c : text.substr(6)) {
        if (c == ',')
            specs.emplace_back();
        else
            specs.back().push_back(c);
    }
    RangeResult result{.verdict = RangeVerdict::partial};
    Wide sum = 0;
    for (const std::string& untrimmed : specs) {
        const std::string spec = naive_trim(untrimmed);
        if (spec.empty()) continue;
        const auto dash = spec.find('-');
        if (dash == std::string::npos) return unsatisfiable;
        const auto first = naive_number(spec.substr(0, dash));
        const auto last = naive_number(spec.substr(dash + 1));
        if (!first || !last || (!first->present && !last->present)) return unsatisfiable;
        Wide begin = 0;
        Wide end = size; // one behind the last byte
        if (first->present) {
            if (last->present && first->value > last->value) return unsatisfiable;
            begin = first->value;
            if (last->present) end = std::min<Wide>(end, last->value + 1);
        } else {
            begin = last->value >= size ? 0 : size - last->value;
        }
        if (begin >= end) continue;
        sum += end - begin;
        result.ranges.push_back({.first = static_cast<std::uint64_t>(begin),
                                 .length = static_cast<std::uint64_t>(end - begin)});
    }
    if (result.ranges.empty()) return unsatisfiable;
    if (result.ranges.size() > max_ranges || sum > size) return whole;
    return result;
}

} // namespace fsrv::http::test
