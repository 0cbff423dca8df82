#include "worker/http/date.h"

#include <gtest/gtest.h>
#include <random>

namespace fsrv::http {
namespace {

constexpr std::int64_t kNow = 1'700'000'000; // Tue, 14 Nov 2023 22:13:20 GMT

TEST(Date, FormatsAsImfFixdate) {
    EXPECT_EQ(format_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(format_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    EXPECT_EQ(format_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
    EXPECT_EQ(format_date(2147483648), "Tue, 19 Jan 2038 03:14:08 GMT");
    EXPECT_EQ(format_date(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
    EXPECT_EQ(format_date(253402300799), "Fri, 31 Dec 9999 23:59:59 GMT");
    EXPECT_EQ(format_date(-62167219200), "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST(Date, HasNoFormOutsideFourDigitYears) {
    for (const std::int64_t seconds :
         {253402300800LL, -62167219201LL, 4611686018427387904LL, 9223372036854775807LL}) {
        EXPECT_EQ(format_date(seconds), std::nullopt) << seconds;
        EXPECT_FALSE(date_is_representable(seconds));
    }
    EXPECT_EQ(format_date(std::numeric_limits<std::int64_t>::min()), std::nullopt);
}

TEST(Date, ParsesAllThreeForms) {
    EXPECT_EQ(parse_date("Sun, 06 Nov 1994 08:49:37 GMT", kNow), 784111777);
    EXPECT_EQ(parse_date("Sunday, 06-Nov-94 08:49:37 GMT", kNow), 784111777);
    EXPECT_EQ(parse_date("Sun Nov  6 08:49:37 1994", kNow), 784111777);
    EXPECT_EQ(parse_date("Wednesday, 16-Nov-94 08:49:37 GMT", kNow), 784975777);
    EXPECT_EQ(parse_date("Wed Nov 16 08:49:37 1994", kNow), 784975777);
    EXPECT_EQ(parse_date("Tue, 29 Feb 2000 00:00:00 GMT", kNow), 951782400);
    EXPECT_EQ(parse_date("Sat, 31 Dec 2016 23:59:60 GMT", kNow), 1483228800); // a leap second
}

TEST(Date, ParsesNothingElse) {
    const char* table[] = {
        "",
        "0",
        "784111777",
        "-1",
        "garbage that is as long as a date",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 19940 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Wed, 29 Feb 2001 00:00:00 GMT",
        "Thu, 29 Feb 1900 00:00:00 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37",
        "Sunday, 6-Nov-94 08:49:37 GMT",
        "Monday, 29-Feb-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov   6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov 31 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 GMTGMTGMT",
    };
    for (const char* text : table) EXPECT_EQ(parse_date(text, kNow), std::nullopt) << text;
    EXPECT_EQ(parse_date(std::string_view("Sun, 06 Nov 1994 08:49:37 \0MT", 29), kNow),
              std::nullopt);
}

TEST(Date, TwoDigitYearIsAtMostFiftyYearsAhead) {
    // What the year is, seen from the moments in a row.
    struct Row {
        const char* text;
        std::int64_t now;
        const char* meant;
    };
    const Row table[] = {
        {"Sunday, 06-Nov-94 08:49:37 GMT", kNow, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {"Monday, 01-Jan-73 00:00:00 GMT", kNow, "Sun, 01 Jan 2073 00:00:00 GMT"},
        {"Monday, 14-Nov-73 22:13:20 GMT", kNow, "Tue, 14 Nov 2073 22:13:20 GMT"},
        {"Monday, 14-Nov-73 22:13:21 GMT", kNow, "Wed, 14 Nov 1973 22:13:21 GMT"},
        {"Monday, 01-Jan-74 00:00:00 GMT", kNow, "Tue, 01 Jan 1974 00:00:00 GMT"},
        {"Monday, 01-Jan-23 00:00:00 GMT", kNow, "Sun, 01 Jan 2023 00:00:00 GMT"},
        {"Monday, 01-Jan-00 00:00:00 GMT", kNow, "Sat, 01 Jan 2000 00:00:00 GMT"},
        {"Monday, 01-Jan-01 00:00:00 GMT", 4070908800 /* 2099 */, "Sat, 01 Jan 2101 00:00:00 GMT"},
        {"Monday, 01-Jan-99 00:00:00 GMT", 4070908800, "Thu, 01 Jan 2099 00:00:00 GMT"},
        {"Monday, 01-Jan-60 00:00:00 GMT", 0, "Fri, 01 Jan 1960 00:00:00 GMT"},
        {"Monday, 29-Feb-00 00:00:00 GMT", kNow, "Tue, 29 Feb 2000 00:00:00 GMT"},
    };
    for (const Row& row : table) {
        const auto seconds = parse_date(row.text, row.now);
        ASSERT_TRUE(seconds) << row.text;
        EXPECT_EQ(format_date(*seconds), row.meant) << row.text;
    }
    // 29 February of a year that has none is no date, whichever the century.
    EXPECT_EQ(parse_date("Monday, 29-Feb-00 00:00:00 GMT", 4070908800), std::nullopt);
    EXPECT_EQ(
        parse_date("Sunday, 06-Nov-94 08:49:37 GMT", std::numeric_limits<std::int64_t>::max()),
        std::nullopt);
    EXPECT_EQ(
        parse_date("Sunday, 06-Nov-94 08:49:37 GMT", std::numeric_limits<std::int64_t>::min()),
        std::nullopt);
}

TEST(Date, WhatIsFormattedParsesToItself) {
    std::mt19937_64 random(1);
    std::uniform_int_distribution<std::int64_t> seconds(-62167219200, 253402300799);
    for (int i = 0; i < 20000; ++i) {
        const auto moment = seconds(random);
        const auto text = format_date(moment);
        ASSERT_TRUE(text);
        ASSERT_EQ(text->size(), 29U);
        ASSERT_EQ(parse_date(*text, kNow), moment) << *text;
    }
}

// Every day of 400 years, against a calendar that only counts.
TEST(Date, AgreesWithACalendarThatCounts) {
    const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const char* names[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    std::int64_t day = 0;
    for (int year = 1970; year < 2370; ++year) {
        const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        for (int month = 0; month < 12; ++month)
            for (int date = 1; date <= lengths[month] + (leap && month == 1); ++date, ++day) {
                char text[64];
                std::snprintf(text, sizeof text, "%s, %02d %s %04d 23:59:59 GMT", names[day % 7],
                              date, months[month], year);
                ASSERT_EQ(format_date(day * 86400 + 86399), text);
            }
    }
}

} // namespace
} // namespace fsrv::http
