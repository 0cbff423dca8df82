#include "common/escape.h"

#include "common/escape_each.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace fsrv {
namespace {

unsigned byte_at(std::string_view bytes, std::size_t i) {
    return static_cast<unsigned char>(bytes[i]);
}

struct Range {
    char32_t first, last;
};

constexpr Range kUnsafe[] = {
    {0x00, 0x1F},     {0x7F, 0x9F},                                           // C0, DEL and C1
    {0x061C, 0x061C}, {0x200E, 0x200F}, {0x202A, 0x202E},   {0x2066, 0x2069}, // direction
    {0x2028, 0x2029},                                                         // ends of lines
    {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0001, 0xE007F},                   // not to be seen
};

// Eight bytes at a time: the top bit of a byte tells what it is, or that one below it is so.
bool are_plain(const char* bytes) {
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    constexpr std::uint64_t kTops = kOnes * 0x80;
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    const std::uint64_t quotes = word ^ kOnes * '"';
    const std::uint64_t backslashes = word ^ kOnes * '\\';
    const std::uint64_t below = (word - kOnes * 0x20) & ~word;
    const std::uint64_t is_quote = (quotes - kOnes) & ~quotes;
    const std::uint64_t is_backslash = (backslashes - kOnes) & ~backslashes;
    const std::uint64_t above = (word + kOnes) | word;
    return ((below | is_quote | is_backslash | above) & kTops) == 0;
}

void append_hex(std::string& out, std::string_view bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        out += "\\x";
        out += kDigits[byte_at(bytes, i) >> 4];
        out += kDigits[byte_at(bytes, i) & 15];
    }
}

bool append(std::string& out, std::string_view bytes, std::string_view also_escaped, Room room) {
    return escape_each(out, bytes, room, [&](std::string& to, std::string_view character) {
        const bool is_character = utf8_length(character) != 0;
        if (!is_character || is_unsafe(code_point(character)) ||
            also_escaped.find(character) != std::string_view::npos)
            append_hex(to, character);
        else
            to += character;
    });
}

} // namespace

std::size_t utf8_length(std::string_view bytes) {
    if (bytes.empty()) return 0;
    const unsigned first = byte_at(bytes, 0);
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (bytes.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte_at(bytes, i) & 0xc0) != 0x80) return 0;
    const unsigned second = byte_at(bytes, 1);
    const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    const bool surrogate = first == 0xed && second >= 0xa0;
    const bool beyond = first == 0xf4 && second >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

char32_t code_point(std::string_view character) {
    if (character.size() == 1) return byte_at(character, 0);
    char32_t code = byte_at(character, 0) & (0x7FU >> character.size());
    for (std::size_t i = 1; i < character.size(); ++i)
        code = code << 6 | (byte_at(character, i) & 0x3FU);
    return code;
}

bool is_unsafe(char32_t character) {
    return std::any_of(std::begin(kUnsafe), std::end(kUnsafe), [&](const Range& range) {
        return range.first <= character && character <= range.last;
    });
}

std::size_t plain_length(std::string_view bytes) {
    const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; };
    std::size_t i = 0;
    while (i + sizeof(std::uint64_t) <= bytes.size() && are_plain(bytes.data() + i))
        i += sizeof(std::uint64_t);
    while (i < bytes.size() && is_plain(bytes[i])) ++i;
    return i;
}

bool is_utf8(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::size_t length = utf8_length(bytes);
        if (length == 0) return false;
        bytes.remove_prefix(length);
    }
    return true;
}

bool append_printable(std::string& out, std::string_view bytes, Room room) {
    return append(out, bytes, "", room);
}

std::string printable(std::string_view bytes) {
    std::string out;
    append_printable(out, bytes);
    return out;
}

std::string printable_lines(std::string_view text) {
    std::string out;
    while (true) {
        const std::size_t end = text.find('\n');
        append_printable(out, text.substr(0, end));
        if (end == std::string_view::npos) return out;
        out += '\n';
        text.remove_prefix(end + 1);
    }
}

bool append_escaped(std::string& out, std::string_view bytes, Room room) {
    return append(out, bytes, "\"\\", room);
}

} // namespace fsrv
