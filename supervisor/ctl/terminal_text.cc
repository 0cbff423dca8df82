#include "supervisor/ctl/terminal_text.h"

#include "common/escape.h"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>
#include <iterator>
#include <span>

namespace fsrv {
namespace {

struct Range {
    char32_t first, last;
};

// Blocks, not single characters: what stands after foreign text is placed by its own width on
// almost every name, and nothing stands after it on most lines.
constexpr Range kCombining[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},  {0x0610, 0x061A}, {0x064B, 0x065F},
    {0x0900, 0x0902}, {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E},  {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
    {0x200B, 0x200D}, {0x2060, 0x2064}, {0x20D0, 0x20FF},  {0x302A, 0x302D}, {0x3099, 0x309A},
    {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xE0100, 0xE01EF}};
constexpr Range kWide[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x23E9, 0x23EC},   {0x25FD, 0x25FE},
    {0x2614, 0x2615},   {0x2648, 0x2653},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},
    {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
    {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF},
    {0x1F900, 0x1F9FF}, {0x1FA70, 0x1FAFF}, {0x20000, 0x3FFFD}};

bool within(std::span<const Range> ranges, char32_t c) {
    const auto next =
        std::upper_bound(ranges.begin(), ranges.end(), c,
                         [](char32_t value, const Range& r) { return value < r.first; });
    return next != ranges.begin() && c <= std::prev(next)->last;
}

// The first character of sound UTF-8, which is taken away; of anything else a byte.
std::string_view take(std::string_view& text) {
    const std::string_view character = text.substr(0, std::max<std::size_t>(utf8_length(text), 1));
    text.remove_prefix(character.size());
    return character;
}

std::size_t width_of(std::string_view character) {
    const char32_t code = code_point(character);
    if (code < 0x300) return 1;
    return within(kCombining, code) ? 0 : within(kWide, code) ? 2 : 1;
}

} // namespace

std::string terminal_safe(std::string_view foreign, bool utf8) {
    std::string printed = printable(foreign);
    if (utf8) return printed;
    std::string out;
    for (const char c : printed) {
        if (static_cast<unsigned char>(c) < 0x80)
            out += c;
        else
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    }
    return out;
}

std::size_t columns_of(std::string_view safe) {
    std::size_t columns = 0;
    while (!safe.empty()) columns += width_of(take(safe));
    return columns;
}

std::string_view beginning_within(std::string_view safe, std::size_t columns) {
    std::size_t used = 0, length = 0;
    for (std::string_view rest = safe; !rest.empty();) {
        const std::string_view character = take(rest);
        used += width_of(character);
        if (used > columns) break;
        length += character.size();
    }
    return safe.substr(0, length);
}

std::string_view end_within(std::string_view safe, std::size_t columns) {
    std::size_t left = columns_of(safe);
    while (left > columns) left -= width_of(take(safe));
    // Not in the middle of what combines with a character that has gone.
    for (std::string_view rest = safe; !rest.empty() && width_of(take(rest)) == 0;) safe = rest;
    return safe;
}

} // namespace fsrv
