#include "common/json.h"

#include <gtest/gtest.h>

namespace fsrv {
namespace {

using namespace std::string_literals;

TEST(Json, AStringHoldsAnyBytes) {
    struct Case {
        std::string bytes;
        std::string json;
    };
    const Case cases[] = {
        {"", R"("")"},
        {"plain", R"("plain")"},
        {R"(a"b\c/d)", R"("a\"b\\c/d")"},
        {"a\nb\tc\0d"s, R"("a\u000ab\u0009c\u0000d")"},
        {"\x7f", R"("\u007f")"},
        {"\xc3\xa9 \xf0\x9f\x98\x80", "\"\xc3\xa9 \xf0\x9f\x98\x80\""},
        {"\xff", "\"\xef\xbf\xbd\""},
        {"\xc3", "\"\xef\xbf\xbd\""},
        {"\xe2\x82z", "\"\xef\xbf\xbd\xef\xbf\xbdz\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xc2\x85\u2028\u202e", R"("\u0085\u2028\u202e")"},
        {"\U000e0041", R"("\udb40\udc41")"},
    };
    for (const Case& c : cases) {
        std::string out = "x";
        append_json_string(out, c.bytes);
        EXPECT_EQ(out, "x" + c.json);
    }
}

TEST(Json, WhatHasNoRoomIsCutBetweenEscapes) {
    struct Case {
        std::string bytes;
        std::size_t room;
        const char* json;
    };
    const Case cases[] = {
        {"abcdef", 6, "abcdef"},
        {"abcdefg", 6, "abc..."},
        {R"(a"b"c"d)", 9, R"(a\"b\"...)"},
        {R"(a"b"c"d)", 8, R"(a\"b...)"},
        {R"(\\\\\\)", 8, R"(\\\\...)"},
        {"\n\n\n", 17, R"(\u000a\u000a...)"},
        {"\n\n\n", 18, R"(\u000a\u000a\u000a)"},
        {"\xff\xff\xff", 8, "\xef\xbf\xbd..."},
    };
    for (const Case& c : cases) {
        std::string out = "x";
        const bool whole = append_json_escaped(out, c.bytes, {.bytes = c.room});
        EXPECT_EQ(out, std::string("x") + c.json);
        EXPECT_EQ(whole, !out.ends_with("..."));
    }
}

} // namespace
} // namespace fsrv
