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
    };
    for (const Case& c : cases) {
        std::string out = "x";
        append_json_string(out, c.bytes);
        EXPECT_EQ(out, "x" + c.json);
    }
}

} // namespace
} // namespace fsrv
