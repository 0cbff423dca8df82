#include "tests/worker/http/ask.h"

namespace fsrv::http::test {
namespace {

TEST(Request, FieldIsFoundWhateverItsCase) {
    const Asked asked = ask("GET /", {"rAnGe: bytes=0-1"});
    EXPECT_EQ(asked.request.field("Range"), "bytes=0-1");
    EXPECT_EQ(asked.request.field("range"), "bytes=0-1");
    EXPECT_EQ(asked.request.count("RANGE"), 1U);
}

TEST(Request, FieldThatIsAbsentHasNoValue) {
    const Asked asked = ask("GET /", {"Ranges: x", "Rang: y"});
    EXPECT_EQ(asked.request.field("Range"), std::nullopt);
    EXPECT_EQ(asked.request.count("Range"), 0U);
}

TEST(Request, FieldThatIsRepeatedHasNoValueButACount) {
    const Asked asked = ask("GET /", {"Range: a", "X: y", "range: a"});
    EXPECT_EQ(asked.request.field("Range"), std::nullopt);
    EXPECT_EQ(asked.request.count("Range"), 2U);
}

TEST(Request, UnderscoreIsNoHyphen) {
    const Asked asked = ask("GET /", {"Content_Length: 5", "Transfer_Encoding: chunked"});
    EXPECT_FALSE(asked.request.has_body());
    EXPECT_EQ(asked.request.field("Content-Length"), std::nullopt);
}

TEST(Request, OnlyAsciiLettersHaveTwoCases) {
    EXPECT_TRUE(equal_ignoring_case("aZ-09", "Az-09"));
    EXPECT_FALSE(equal_ignoring_case("a", "ab"));
    EXPECT_FALSE(equal_ignoring_case("[", "{")); // 0x20 apart, like letters
    EXPECT_FALSE(equal_ignoring_case("@", "`"));
    EXPECT_FALSE(equal_ignoring_case("\xC4", "\xE4"));
    EXPECT_TRUE(equal_ignoring_case("", ""));
}

} // namespace
} // namespace fsrv::http::test
