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
};

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
