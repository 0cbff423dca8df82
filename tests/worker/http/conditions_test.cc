#include "tests/worker/http/ask.h"
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
    const Validators validators{
        .etag = "W/\"x\"", .last_modified = kModified, .date_is_strong = false};
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

// A date that the answer has lent to a file from the future, too.
TEST(Conditions, DateThatTellsNoVersionsApartIsNoStrongValidator) {
    const Validators validators{
        .etag = "\"x\"", .last_modified = kModified, .date_is_strong = false};
    const auto answer = [&](const char* condition) {
        return evaluate_preconditions(ask("GET /", {"Range: bytes=0-1", condition}).request,
                                      validators, kModified);
    };
    EXPECT_EQ(answer("If-Range: " EQUAL), kWhole);
    EXPECT_EQ(answer("If-Range: \"x\""), kGo);
    EXPECT_EQ(answer("If-Modified-Since: " EQUAL), k304);
}

TEST(Conditions, FileWithoutATagMatchesOnlyTheStar) {
    const Row table[] = {
        {"star", {"If-None-Match: *"}, k304},
        {"nothing", {"If-None-Match:"}, kGo},
        {"an empty tag", {"If-None-Match: \"\""}, kGo},
        {"If-Match star", {"If-Match: *"}, kGo},
        {"If-Match", {"If-Match: \"\""}, k412},
        {"If-Range", {"Range: bytes=0-1", "If-Range: \"\""}, kWhole},
        {"If-Range with nothing", {"Range: bytes=0-1", "If-Range:"}, kWhole},
        {"If-Range with a date", {"Range: bytes=0-1", "If-Range: " EQUAL}, kWhole},
        {"no condition", {"Range: bytes=0-1"}, kGo},
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.name);
        const Asked asked = ask("GET /", row.fields);
        EXPECT_EQ(evaluate_preconditions(asked.request, Validators{}, kNow), row.answer);
    }
}

constexpr FileTime kTime{.seconds = 784111777, .nanoseconds = 5};

TEST(Validators, TagIsMadeOfSizeAndTimeAlone) {
    const FileTime now{.seconds = kTime.seconds + 1000};
    const auto tag = [&](std::uint64_t size, FileTime mtime) {
        return make_validators({.size = size, .mtime = mtime}, now).etag;
    };
    const FileTime t = kTime;
    const auto one = make_validators({.size = 1000, .mtime = t}, now);
    const FileState elsewhere{.size = 1000, .mtime = t, .ctime = {t.seconds + 7, 1}, .inode = 9};
    EXPECT_EQ(one.etag, make_validators(elsewhere, {.seconds = t.seconds + 999'999}).etag); // CD07
    EXPECT_NE(one.etag, tag(1001, t));
    EXPECT_NE(one.etag, tag(1000, {t.seconds + 1, 5}));
    EXPECT_NE(one.etag, tag(1000, {t.seconds, 6}));     // CD08
    EXPECT_NE(one.etag, tag(1000, {t.seconds - 1, 5})); // CD10
    EXPECT_EQ(one.last_modified, t.seconds);
    EXPECT_EQ(one.etag.front(), '"');
    EXPECT_EQ(one.etag.back(), '"');
    EXPECT_EQ(one.etag.find_first_not_of("0123456789abcdef-", 1), one.etag.size() - 1);
    EXPECT_TRUE(one.settled && one.date_is_strong);
}

TEST(Validators, TagIsWeakWhileTheFileIsYoung) {
    const FileTime mtime{.seconds = kTime.seconds, .nanoseconds = 500'000'000};
    struct Age {
        FileTime now; // seconds after mtime's
        bool weak;
        bool from_future = false;
    };
    const Age table[] = {
        {{0, 500'000'000}, true},
        {{0, 500'000'001}, true},
        {{1, 499'999'999}, true},
        {{1, 500'000'000}, false},
        {{1, 500'000'001}, false},
        {{2, 0}, false},
        {{0, 499'999'999}, true, true},
        {{-1, 500'000'001}, true, true},
        {{-1, 500'000'000}, false, true},
        {{-1, 0}, false, true},
        {{4000, 0}, false},
        {{-4000, 0}, false, true},
        {{-kTime.seconds, 0}, false, true},
        {{-kTime.seconds - 5, 0}, false, true},
    };
    for (Age age : table) {
        age.now.seconds += mtime.seconds;
        SCOPED_TRACE(std::to_string(age.now.seconds) + "." + std::to_string(age.now.nanoseconds));
        const Validators made = make_validators({.size = 1, .mtime = mtime}, age.now);
        EXPECT_EQ(made.etag.starts_with("W/"), age.weak);
        EXPECT_EQ(made.settled, !age.weak);
        EXPECT_EQ(made.date_is_strong, !age.weak && !age.from_future);
        EXPECT_EQ(made.last_modified, age.from_future ? age.now.seconds : mtime.seconds);
    }
}

TEST(Validators, LastModifiedIsNeverInTheFuture) { // CD09
    const FileTime now{.seconds = kTime.seconds, .nanoseconds = 7};
    const auto made = [](std::int64_t seconds, std::int64_t nanoseconds, FileTime at) {
        return make_validators({.size = 1, .mtime = {seconds, nanoseconds}}, at);
    };
    EXPECT_EQ(made(now.seconds + 2000, 0, now).last_modified, now.seconds);
    EXPECT_EQ(made(now.seconds, 8, now).last_modified, now.seconds);
    const auto kLast = std::numeric_limits<std::int64_t>::max();
    const Validators last = made(kLast, 999'999'999, now);
    EXPECT_EQ(last.last_modified, now.seconds);
    EXPECT_EQ(last.etag, "\"1-7fffffffffffffff-3b9ac9ff\"");
    EXPECT_FALSE(last.date_is_strong);
    // Year 10000, seen from later: no form of a date has room for it.
    EXPECT_EQ(made(253402300800, 0, {253402300900, 0}).last_modified, std::nullopt);
}

TEST(Validators, TimesThatSayNothingMakeNoStrongTagAndNoDate) {
    struct Time {
        std::int64_t seconds;
        bool says_nothing;
    };
    const Time table[] = {
        {std::numeric_limits<std::int64_t>::min(), true},
        {-86400, true},
        {-1, true},
        {0, true},
        {1, true},
        {129'599, true}, // 1970-01-02 in UTC-12
        {129'600, false},
        {312'717'599, false},
        {312'717'600, true}, // 1979-11-30 00:00 in UTC+14
        {312'768'000, true},
        {312'811'200, true},
        {312'811'201, false},
        {315'482'399, false},
        {315'482'400, true}, // 1980-01-01 00:00 in UTC+14
        {315'529'200, true}, // in Berlin
        {315'532'800, true}, // in UTC, which Nix takes
        {315'575'999, true},
        {315'662'399, true}, // its last second in UTC-12
        {315'662'400, false},
        {318'211'200, true}, // 1980-02-01
        {318'254'401, false},
        {499'162'499, false},
        {499'162'500, true}, // npm
        {499'162'501, false},
        {946'684'800, true}, // 2000-01-01
        {946'684'801, false},
        {1'262'304'000, false},
    };
    const FileTime now{.seconds = 1'700'000'000};
    for (const Time& row : table) {
        SCOPED_TRACE(row.seconds);
        FileState file{
            .size = 10, .mtime = {row.seconds, 0}, .ctime = {now.seconds - 5, 3}, .inode = 77};
        const Validators made = make_validators(file, now);
        EXPECT_EQ(made.etag.starts_with("W/"), row.says_nothing) << made.etag;
        EXPECT_EQ(made.last_modified, row.says_nothing ? std::nullopt : std::optional(row.seconds));
        EXPECT_TRUE(made.settled);
        // What tells two versions with such a time apart.
        for (const FileState& other :
             {FileState{11, file.mtime, file.ctime, 77}, FileState{10, file.mtime, {1, 1}, 77},
              FileState{10, file.mtime, {now.seconds - 5, 4}, 77},
              FileState{10, file.mtime, file.ctime, 78}}) {
            if (row.says_nothing) {
                EXPECT_NE(make_validators(other, now).etag, made.etag);
            }
        }
        file.ctime = now;
        EXPECT_EQ(make_validators(file, now).settled, !row.says_nothing) << "changed just now";
        file.ctime = file.mtime; // as of a squashfs, which has but one time
        const Validators none = make_validators(file, now);
        EXPECT_EQ(none.etag.empty(), row.says_nothing);
        EXPECT_EQ(none.last_modified, made.last_modified);
    }
}

TEST(Validators, OfACodedRepresentationAreItsOwn) {
    const struct {
        const char* identity;
        Coding coding;
        bool weak;
        const char* coded;
    } table[] = {
        {"\"1-2-3\"", Coding::zstd, false, "\"1-2-3-zst\""},
        {"\"1-2-3\"", Coding::br, false, "\"1-2-3-br\""},
        {"\"1-2-3\"", Coding::gzip, true, "W/\"1-2-3-gz\""},
        {"W/\"1-2-3\"", Coding::gzip, false, "W/\"1-2-3-gz\""},
        {"W/\"1-2-3\"", Coding::gzip, true, "W/\"1-2-3-gz\""},
        {"", Coding::gzip, false, ""},
    };
    for (const auto& row : table) {
        const Validators identity{.etag = row.identity, .last_modified = 7, .settled = false};
        const Validators coded = coded_validators(identity, row.coding, row.weak);
        EXPECT_EQ(coded.etag, row.coded);
        EXPECT_EQ(coded.last_modified, 7);
        EXPECT_FALSE(coded.settled);
    }
}

} // namespace
} // namespace fsrv::http::test
