#include "tests/worker/http_ask.h"
#include "worker/http/conditions.h"

namespace fsrv::http::test {
namespace {

// Sun, 06 Nov 1994 08:49:37 GMT, and the seconds about it.
constexpr std::int64_t kModified = 784111777;
constexpr std::int64_t kNow = kModified + 1000;
#define EQUAL "Sun, 06 Nov 1994 08:49:37 GMT"
#define OLDER "Sun, 06 Nov 1994 08:49:36 GMT"
#define NEWER "Sun, 06 Nov 1994 08:49:38 GMT"

struct Row {
    const char* name;
    std::vector<std::string> fields;
    Precondition answer;
};

const auto kGo = Precondition::proceed;
const auto kWhole = Precondition::ignore_range;
const auto k304 = Precondition::not_modified;
const auto k412 = Precondition::failed;

TEST(Conditions, AreEvaluatedInTheOrderOfRfc9110) {
    const Row table[] = {
        {"none", {}, kGo},

        {"CD01 If-None-Match exact", {"If-None-Match: \"x\""}, k304},
        {"CD01 in a list", {"If-None-Match: \"a\", \"x\" ,\"b\""}, k304},
        {"CD01 in a list without spaces", {"If-None-Match: \"a\",\"x\""}, k304},
        {"CD01 in a list with gaps", {"If-None-Match: , ,\"a\",,\"x\",,"}, k304},
        {"CD01 star", {"If-None-Match: *"}, k304},
        {"CD01 weak form", {"If-None-Match: W/\"x\""}, k304},
        {"CD01 other", {"If-None-Match: \"y\""}, kGo},
        {"CD01 unquoted", {"If-None-Match: x"}, kGo},
        {"CD01 comma", {"If-None-Match: ,"}, kGo},
        {"CD01 empty", {"If-None-Match:"}, kGo},
        {"CD01 unterminated", {"If-None-Match: \"x"}, kGo},
        {"CD01 unterminated weak", {"If-None-Match: W/\""}, kGo},
        {"CD01 only W/", {"If-None-Match: W/"}, kGo},
        {"CD01 lower-case weak", {"If-None-Match: w/\"x\""}, kGo},
        {"CD01 no comma between", {"If-None-Match: \"y\"\"x\""}, kGo},
        {"CD01 behind a fault", {"If-None-Match: y, \"x\""}, kGo},
        {"CD01 star in a list", {"If-None-Match: \"a\", *"}, kGo},
        {"CD01 over two fields", {"If-None-Match: \"a\"", "If-None-Match: \"x\""}, k304},
        {"CD01 a comma inside a tag", {"If-None-Match: \"a,\"x\",b\""}, kGo},
        {"CD01 8 KB list", {"If-None-Match: " + repeat("\"abcdef\",", 900) + "\"x\""}, k304},
        {"CD01 8 KB of quotes", {"If-None-Match: " + std::string(8000, '"')}, kGo},
        {"CD02 If-Modified-Since equal", {"If-Modified-Since: " EQUAL}, k304},
        {"CD02 newer", {"If-Modified-Since: " NEWER}, k304},
        {"CD02 older", {"If-Modified-Since: " OLDER}, kGo},
        {"CD02 garbage", {"If-Modified-Since: yesterday"}, kGo},
        {"CD02 a number", {"If-Modified-Since: 784111777"}, kGo},
        {"CD02 negative", {"If-Modified-Since: -1"}, kGo},
        {"CD02 RFC 850", {"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"}, k304},
        {"CD02 asctime", {"If-Modified-Since: Sun Nov  6 08:49:37 1994"}, k304},
        {"CD02 2039", {"If-Modified-Since: Sat, 01 Jan 2039 00:00:00 GMT"}, k304},
        {"CD02 9999", {"If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT"}, k304},
        {"CD02 twice", {"If-Modified-Since: " NEWER, "If-Modified-Since: " NEWER}, kGo},
        {"CD03 If-None-Match wins", {"If-None-Match: \"y\"", "If-Modified-Since: " NEWER}, kGo},
        {"CD03 even a broken one", {"If-None-Match: y", "If-Modified-Since: " NEWER}, kGo},
        {"CD04 If-Match star", {"If-Match: *"}, kGo},
        {"CD04 match", {"If-Match: \"x\""}, kGo},
        {"CD04 in a list", {"If-Match: \"a\", \"x\""}, kGo},
        {"CD04 weak", {"If-Match: W/\"x\""}, k412},
        {"CD04 other", {"If-Match: \"y\""}, k412},
        {"CD04 unreadable", {"If-Match: x"}, k412},
        {"CD04 over two fields", {"If-Match: \"a\"", "If-Match: \"x\""}, kGo},
        {"CD05 If-Unmodified-Since older", {"If-Unmodified-Since: " OLDER}, k412},
        {"CD05 equal", {"If-Unmodified-Since: " EQUAL}, kGo},
        {"CD05 newer", {"If-Unmodified-Since: " NEWER}, kGo},
        {"CD05 garbage", {"If-Unmodified-Since: x"}, kGo},
        {"CD05 ignored beside If-Match", {"If-Match: \"x\"", "If-Unmodified-Since: " OLDER}, kGo},
        {"If-Match before If-None-Match", {"If-Match: \"y\"", "If-None-Match: \"x\""}, k412},
        {"both hold", {"If-Match: \"x\"", "If-None-Match: \"x\""}, k304},
        {"If-Unmodified-Since before If-None-Match",
         {"If-None-Match: \"x\"", "If-Unmodified-Since: " OLDER},
         k412},

        {"RG16 If-Range without Range", {"If-Range: \"y\""}, kGo},
        {"RG16 same tag", {"Range: bytes=0-1", "If-Range: \"x\""}, kGo},
        {"RG16 other tag", {"Range: bytes=0-1", "If-Range: \"y\""}, kWhole},
        {"RG16 weak tag", {"Range: bytes=0-1", "If-Range: W/\"x\""}, kWhole},
        {"RG16 date equal", {"Range: bytes=0-1", "If-Range: " EQUAL}, kGo},
        {"RG16 date older", {"Range: bytes=0-1", "If-Range: " OLDER}, kWhole},
        {"RG16 date newer by a second", {"Range: bytes=0-1", "If-Range: " NEWER}, kWhole},
        {"RG16 garbage", {"Range: bytes=0-1", "If-Range: x"}, kWhole},
        {"RG16 unquoted tag and more", {"Range: bytes=0-1", "If-Range: \"x\"y"}, kWhole},
        {"RG16 list of tags", {"Range: bytes=0-1", "If-Range: \"x\", \"x\""}, kWhole},
        {"RG16 star", {"Range: bytes=0-1", "If-Range: *"}, kWhole},
        {"RG16 empty", {"Range: bytes=0-1", "If-Range:"}, kWhole},
        {"RG16 twice", {"Range: bytes=0-1", "If-Range: \"x\"", "If-Range: \"x\""}, kWhole},
        {"RG17 Range and If-None-Match", {"Range: bytes=0-1", "If-None-Match: \"x\""}, k304},
        {"RG17 Range and If-Modified-Since",
         {"Range: bytes=0-1", "If-Modified-Since: " EQUAL},
         k304},
        {"RG17 Range and If-Match", {"Range: bytes=0-1", "If-Match: \"y\""}, k412},
        {"RG17 If-None-Match before If-Range",
         {"Range: bytes=0-1", "If-Range: \"y\"", "If-None-Match: \"x\""},
         k304},
    };
    const Validators validators{.etag = "\"x\"", .last_modified = kModified};
    for (const Row& row : table) {
        SCOPED_TRACE(row.name);
        const Asked asked = ask("GET /", row.fields);
        EXPECT_EQ(evaluate_preconditions(asked.request, validators, kNow), row.answer);
    }
}

TEST(Conditions, WeakTagOfAYoungFileMatchesOnlyWeakly) {
    const Row table[] = {
        {"If-None-Match", {"If-None-Match: W/\"x\""}, k304},
        {"If-None-Match, strong form", {"If-None-Match: \"x\""}, k304},
        {"If-Match", {"If-Match: W/\"x\""}, k412},
        {"If-Match, strong form", {"If-Match: \"x\""}, k412},
        {"If-Match star", {"If-Match: *"}, kGo},
        {"If-Range", {"Range: bytes=0-1", "If-Range: W/\"x\""}, kWhole},
        {"If-Range, strong form", {"Range: bytes=0-1", "If-Range: \"x\""}, kWhole},
        {"If-Range, its date", {"Range: bytes=0-1", "If-Range: " EQUAL}, kWhole},
    };
    const Validators validators{.etag = "W/\"x\"", .last_modified = kModified};
    for (const Row& row : table) {
        SCOPED_TRACE(row.name);
        const Asked asked = ask("GET /", row.fields);
        EXPECT_EQ(evaluate_preconditions(asked.request, validators, kModified), row.answer);
    }
}

TEST(Conditions, DatesAreIgnoredWhereThereIsNoLastModified) {
    const Validators validators{.etag = "\"x\""};
    for (const char* field : {"If-Modified-Since: " NEWER, "If-Unmodified-Since: " OLDER}) {
        const Asked asked = ask("GET /", {field});
        EXPECT_EQ(evaluate_preconditions(asked.request, validators, kNow), kGo) << field;
    }
    const Asked asked = ask("GET /", {"Range: bytes=0-1", "If-Range: " EQUAL});
    EXPECT_EQ(evaluate_preconditions(asked.request, validators, kNow), kWhole);
}

TEST(Validators, TagIsMadeOfSizeAndTimeAlone) {
    const FileTime now{.seconds = 2000};
    const auto one = make_validators(1000, {.seconds = 1000, .nanoseconds = 5}, now);
    EXPECT_EQ(one.etag, make_validators(1000, {1000, 5}, {.seconds = 999999}).etag); // CD07
    EXPECT_NE(one.etag, make_validators(1001, {1000, 5}, now).etag);
    EXPECT_NE(one.etag, make_validators(1000, {1001, 5}, now).etag);
    EXPECT_NE(one.etag, make_validators(1000, {1000, 6}, now).etag); // CD08
    EXPECT_NE(one.etag, make_validators(1000, {999, 5}, now).etag);  // CD10
    EXPECT_EQ(one.last_modified, 1000);
    EXPECT_EQ(one.etag.front(), '"');
    EXPECT_EQ(one.etag.back(), '"');
    EXPECT_EQ(one.etag.find_first_not_of("0123456789abcdef-", 1), one.etag.size() - 1);
}

TEST(Validators, TagIsWeakWhileTheFileIsYoung) {
    const FileTime mtime{.seconds = 1000, .nanoseconds = 500'000'000};
    struct Age {
        FileTime now;
        bool weak;
    };
    const Age table[] = {
        {{1000, 500'000'000}, true},
        {{1000, 500'000'001}, true},
        {{1001, 499'999'999}, true},
        {{1001, 500'000'000}, false},
        {{1001, 500'000'001}, false},
        {{1002, 0}, false},
        {{1000, 499'999'999}, true},
        {{999, 0}, true},
        {{5000, 0}, false},
        {{0, 0}, true},
        {{-5, 0}, true},
    };
    for (const Age& age : table)
        EXPECT_EQ(make_validators(1, mtime, age.now).etag.starts_with("W/"), age.weak)
            << age.now.seconds << "." << age.now.nanoseconds;
}

TEST(Validators, LastModifiedIsNeverInTheFuture) { // CD09
    const FileTime now{.seconds = 1000, .nanoseconds = 7};
    EXPECT_EQ(make_validators(1, {2000, 0}, now).last_modified, 1000);
    EXPECT_EQ(make_validators(1, {1000, 8}, now).last_modified, 1000);
    EXPECT_EQ(make_validators(1, {0, 0}, now).last_modified, 0);
    EXPECT_EQ(make_validators(1, {-86400, 0}, now).last_modified, -86400);
    const auto kLast = std::numeric_limits<std::int64_t>::max();
    const auto kFirst = std::numeric_limits<std::int64_t>::min();
    EXPECT_EQ(make_validators(1, {kLast, 999'999'999}, now).last_modified, 1000);
    EXPECT_TRUE(make_validators(1, {kLast, 999'999'999}, now).etag.starts_with("W/"));
    EXPECT_EQ(make_validators(1, {kFirst, 0}, now).last_modified, std::nullopt);
    EXPECT_FALSE(make_validators(1, {kFirst, 0}, now).etag.starts_with("W/"));
    // Year 10000, seen from later: no form of a date has room for it.
    EXPECT_EQ(make_validators(1, {253402300800, 0}, {253402300900, 0}).last_modified, std::nullopt);
}

} // namespace
} // namespace fsrv::http::test
