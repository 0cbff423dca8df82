#include "common/number_text.h"

#include <array>
#include <charconv>
#include <string_view>

namespace fsrv {

void append_human_size(std::string& out, std::uint64_t bytes) {
    constexpr std::string_view kPrefixes = "KMGTPE";
    if (bytes < 1024) {
        append_number(out, bytes);
        out += " B";
        return;
    }
    // Tenths of a unit, from what is in it of the unit below. 1023.95 would be written as 1024.0.
    std::size_t unit = 0;
    for (; bytes >= 1048525 && unit + 1 < kPrefixes.size(); ++unit) bytes /= 1024;
    const std::uint64_t tenths = (bytes * 10 + 512) / 1024;
    append_number(out, tenths / 10);
    out.push_back('.');
    out.push_back(static_cast<char>('0' + tenths % 10));
    out.push_back(' ');
    out.push_back(kPrefixes[unit]);
    out += "iB";
}

std::string human_size(std::uint64_t bytes) {
    std::string text;
    append_human_size(text, bytes);
    return text;
}

void append_grouped(std::string& out, std::uint64_t number) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    for (const char* digit = digits.data(); digit != end; ++digit) {
        if (digit != digits.data() && (end - digit) % 3 == 0) out.push_back(',');
        out.push_back(*digit);
    }
}

std::string grouped(std::uint64_t number) {
    std::string text;
    append_grouped(text, number);
    return text;
}

void append_number(std::string& out, std::uint64_t number) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out.append(digits.data(), end);
}

} // namespace fsrv
