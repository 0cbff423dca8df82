#include "common/escape.h"

#include <gtest/gtest.h>

namespace fsrv {
namespace {

using namespace std::string_literals;

TEST(Escape, KnowsWhereAUtf8CharacterEnds) {
    struct Case {
        std::string bytes;
        std::size_t length;
    };
    const Case cases[] = {
        {"", 0},
        {"a", 1},
        {"\0"s, 1},
        {"\x7f", 1},
        {"\x80", 0},             // a continuation byte alone
        {"\xc2", 0},             // cut
        {"\xc2\x80", 2},         // U+0080
        {"\xc3\xa9z", 2},        // é
        {"\xc0\x80", 0},         // overlong
        {"\xc1\xbf", 0},         // overlong
        {"\xc3\x28", 0},         // no continuation byte
        {"\xe0\x9f\xbf", 0},     // overlong
        {"\xe0\xa0\x80", 3},     // U+0800
        {"\xe2\x82\xac", 3},     // U+20AC
        {"\xe2\x82", 0},         // cut
        {"\xed\x9f\xbf", 3},     // U+D7FF
        {"\xed\xa0\x80", 0},     // a surrogate
        {"\xef\xbf\xbf", 3},     // U+FFFF
        {"\xf0\x8f\xbf\xbf", 0}, // overlong
        {"\xf0\x90\x80\x80", 4}, // U+10000
        {"\xf4\x8f\xbf\xbf", 4}, // U+10FFFF
        {"\xf4\x90\x80\x80", 0}, // beyond
        {"\xf5\x80\x80\x80", 0}, // beyond
        {"\xf0\x9f\x98\x80", 4}, // U+1F600
        {"\xf0\x9f\x98", 0},     // cut
        {"\xff\xfe", 0},
    };
    for (const Case& c : cases) EXPECT_EQ(utf8_length(c.bytes), c.length) << printable(c.bytes);
}

struct Escaped {
    std::string bytes;
    std::string printable;
    std::string escaped;
};
const Escaped kEscaped[] = {
    {"", "", ""},
    {"plain text", "plain text", "plain text"},
    {"line\nline\r\n", R"(line\x0aline\x0d\x0a)", R"(line\x0aline\x0d\x0a)"},
    {"a\0b"s, R"(a\x00b)", R"(a\x00b)"},
    {"tab\t", R"(tab\x09)", R"(tab\x09)"},
    {"\x1b[31mred\x7f", R"(\x1b[31mred\x7f)", R"(\x1b[31mred\x7f)"},
    {R"(say "hi" C:\x)", R"(say "hi" C:\x)", R"(say \x22hi\x22 C:\x5cx)"},
    {"\xc3\xa9t\xc3\xa9 \xf0\x9f\x98\x80", "\xc3\xa9t\xc3\xa9 \xf0\x9f\x98\x80",
     "\xc3\xa9t\xc3\xa9 \xf0\x9f\x98\x80"},
    {"\xc2\x9b", R"(\xc2\x9b)", R"(\xc2\x9b)"}, // C1: a terminal's escape sequence too
    {"\xc2\xa0", "\xc2\xa0", "\xc2\xa0"},
    {"\xff\xc3", R"(\xff\xc3)", R"(\xff\xc3)"},
    {"\xed\xa0\x80", R"(\xed\xa0\x80)", R"(\xed\xa0\x80)"},
    {"\u2027\u2028\u2029", "\u2027\\xe2\\x80\\xa8\\xe2\\x80\\xa9",
     "\u2027\\xe2\\x80\\xa8\\xe2\\x80\\xa9"}, // ends of lines, to some readers
    {"\u202egnp.exe", R"(\xe2\x80\xaegnp.exe)", R"(\xe2\x80\xaegnp.exe)"},
};

// Each by itself, and its neighbours, which are harmless.
TEST(Escape, MarksThatTurnALineAroundAreNotPrinted) {
    struct Case {
        const char* character;
        bool unsafe;
    };
    const Case cases[] = {
        {"\u061b", false},    {"\u061c", true},   {"\u200d", false},  {"\u200e", true},
        {"\u200f", true},     {"\u2010", false},  {"\u2027", false},  {"\u2028", true},
        {"\u2029", true},     {"\u202a", true},   {"\u202b", true},   {"\u202c", true},
        {"\u202d", true},     {"\u202e", true},   {"\u202f", false},  {"\u2065", false},
        {"\u2066", true},     {"\u2067", true},   {"\u2068", true},   {"\u2069", true},
        {"\u206a", false},    {"\ufeff", true},   {"\ufff9", true},   {"\ufffc", false},
        {"\xc2\x80", true},   {"\xc2\x85", true}, {"\xc2\x9f", true}, {"\xc2\xa0", false},
        {"\U000e0041", true},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(printable(c.character) == c.character, !c.unsafe) << printable(c.character);
        EXPECT_EQ(is_unsafe(code_point(c.character)), c.unsafe);
    }
}

TEST(Escape, WhatHasNoRoomIsCutBetweenCharacters) {
    struct Case {
        std::string bytes;
        std::size_t room;
        std::string escaped;
    };
    const Case cases[] = {
        {"", 3, ""},
        {"abc", 3, "abc"},
        {"abcd", 3, "..."},
        {"abcdefgh", 8, "abcdefgh"},
        {"abcdefghi", 8, "abcde..."},
        {"abcdefgh\n", 8, "abcde..."},
        {"abcd\n", 8, R"(abcd\x0a)"},
        {"abcde\n", 8, "abcde..."},
        {"ab\nd", 7, R"(ab\x0ad)"},
        {"ab\nde", 7, "ab..."},
        {"\n\n\n", 11, R"(\x0a\x0a...)"},
        {"\n\n\n", 10, R"(\x0a...)"},
        {"\xc3\xa9\xc3\xa9\xc3\xa9", 6, "\xc3\xa9\xc3\xa9\xc3\xa9"},
        {"\xc3\xa9\xc3\xa9\xc3\xa9", 5, "\xc3\xa9..."},
        {"\xc3\xa9\xc3\xa9\xc3\xa9x", 6, "\xc3\xa9..."},
        {"a\nb", 4, "a..."},
        {std::string(5000, 'x'), 10, "xxxxxxx..."},
        {std::string(5000, '\n'), 10, R"(\x0a...)"},
    };
    for (const Case& c : cases) {
        std::string out = "before ";
        EXPECT_EQ(append_escaped(out, c.bytes, {.bytes = c.room}), !c.escaped.ends_with("..."))
            << c.escaped;
        EXPECT_EQ(out, "before " + c.escaped);
    }
}

TEST(Escape, PlainBytesAreToldFromOthersWhereverTheyStand) {
    for (unsigned value = 0; value < 256; ++value) {
        const bool plain = value >= 0x20 && value < 0x7f && value != '"' && value != '\\';
        for (std::size_t at = 0; at < 20; ++at) {
            std::string bytes(20, 'x');
            bytes[at] = static_cast<char>(value);
            ASSERT_EQ(plain_length(bytes), plain ? 20 : at) << value << ' ' << at;
            bytes.assign(at, '~');
            bytes += static_cast<char>(value);
            ASSERT_EQ(plain_length(bytes), plain ? at + 1 : at) << value << ' ' << at;
        }
    }
}

TEST(Escape, OfSeveralLinesTheEndsStay) {
    EXPECT_EQ(printable_lines(""), "");
    EXPECT_EQ(printable_lines("a\x1b[2J\nb\r\n\nc\u2028"), "a\\x1b[2J\nb\\x0d\n\nc\\xe2\\x80\\xa8");
}

TEST(Escape, PrintableTextKeepsWhatIsHarmless) {
    for (const Escaped& c : kEscaped) EXPECT_EQ(printable(c.bytes), c.printable);
}

TEST(Escape, EscapedTextFitsBetweenQuotes) {
    for (const Escaped& c : kEscaped) {
        std::string out = "before ";
        append_escaped(out, c.bytes);
        EXPECT_EQ(out, "before " + c.escaped);
    }
}

TEST(Escape, AnythingBecomesPrintableUtf8) {
    for (unsigned first = 0; first < 256; ++first) {
        for (unsigned second = 0; second < 256; ++second) {
            const std::string bytes{static_cast<char>(first), static_cast<char>(second)};
            const std::string text = printable(bytes);
            ASSERT_TRUE(is_utf8(text)) << first << ' ' << second;
            ASSERT_EQ(printable(text), text) << first << ' ' << second;
        }
    }
}

} // namespace
} // namespace fsrv
