// The parts of a listing on values: order, times, and a folder of the largest size.

#include "tests/worker/content/json.h"
#include "tests/worker/content/support.h"
#include "worker/content/listing.h"
#include "worker/content/listing_text.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace fsrv::content {
namespace {

void add(Listing& listing, std::string_view name, std::uint64_t size = 0) {
    listing.entries.push_back({.name = listing.names.keep(name), .size = size});
}

std::vector<std::string> names_of(const Listing& listing) {
    std::vector<std::string> names;
    for (const ListedEntry& entry : listing.entries) names.emplace_back(entry.name);
    return names;
}

TEST(ListingSize, AHundredThousandEntriesComeInPieces) {
    Listing listing;
    for (int i = 0; i < 100'000; ++i)
        add(listing, "entry-" + std::to_string(99'999 - i), static_cast<std::uint64_t>(i));
    sort_listing(listing, {});
    EXPECT_EQ(listing.entries.front().name, "entry-0");
    EXPECT_EQ(listing.entries[10].name, "entry-10");
    EXPECT_EQ(listing.entries.back().name, "entry-99999");
    const auto budget = std::make_shared<ByteBudget>(std::size_t{64} * 1024 * 1024);
    {
        const ListingQuery query;
        const ListingFacts facts{.path = "", .query = query, .archives = true};
        const auto html = listing_html(listing, facts, budget);
        const auto json = listing_json(listing, facts, budget);
        ASSERT_TRUE(html && json);
        EXPECT_EQ(budget->used(), html->size() + json->size());
        EXPECT_LT(html->size(), 100'000U * 200);
        for (const http::Segment& segment : html->segments)
            EXPECT_LE(std::get<http::MemoryExtent>(segment).length, 160U * 1024);
        const auto document = JsonReader::read(read_body(*json));
        ASSERT_TRUE(document);
        EXPECT_EQ((*document)["entries"].items.size(), 100'000U);
        EXPECT_EQ((*document)["entries"].items.back()["name"].text, "entry-99999");
    }
    EXPECT_EQ(budget->used(), 0U);
}

TEST(ListingOrder, OfNamesIsTotalAndAsPeopleReadThem) {
    const std::vector<std::string> sorted = {"",
                                             "-",
                                             "0",
                                             "00",
                                             "01",
                                             "1",
                                             "1a",
                                             "2",
                                             "9",
                                             "10",
                                             "A",
                                             "a",
                                             "a01",
                                             "a1",
                                             "a2",
                                             "a10",
                                             "a10b2",
                                             "a10b10",
                                             "aa",
                                             "B",
                                             "b",
                                             "file.txt",
                                             "file1.txt",
                                             "file9.txt",
                                             "file10.txt",
                                             "file99999999999999999998",
                                             "file99999999999999999999",
                                             "File100000000000000000000",
                                             "z",
                                             "\xc3\xa9",
                                             "\xff"};
    for (std::size_t rotate = 0; rotate < sorted.size(); ++rotate) {
        Listing listing;
        for (std::size_t i = 0; i < sorted.size(); ++i)
            add(listing, sorted[(i * 7 + rotate) % sorted.size()]);
        sort_listing(listing, {});
        ASSERT_EQ(names_of(listing), sorted);
        sort_listing(listing, {.descending = true});
        ASSERT_EQ(names_of(listing), std::vector<std::string>(sorted.rbegin(), sorted.rend()));
    }
}

TEST(ListingOrder, HasNoNameTwice) {
    using Key = ListingOrder::Key;
    for (const Key key : {Key::name, Key::size, Key::time}) {
        Listing listing;
        for (std::uint64_t i = 0; i < 3; ++i) {
            for (const char* name : {"a", "A", "10", "010", "b"}) add(listing, name, i);
            // It was replaced while the folder was read.
            listing.entries.push_back({.name = listing.names.keep("c"), .folder = i % 2 == 1});
        }
        sort_listing(listing, {.key = key});
        std::vector<std::string> names = names_of(listing);
        std::sort(names.begin(), names.end());
        EXPECT_EQ(names, (std::vector<std::string>{"010", "10", "A", "a", "b", "c"}));
    }
}

TEST(ListingText, WritesTimesInEveryYear) {
    struct Row {
        FileTime time;
        const char* date;
        const char* clock;
    };
    const Row rows[] = {
        {{0, 0}, "1970-01-01", "00:00:00"},
        {{1704067199, 999'999'999}, "2023-12-31", "23:59:59"},
        {{1709164800, 123'000'000}, "2024-02-29", "00:00:00"},
        {{-1, 0}, "1969-12-31", "23:59:59"},
        {{-62167219200, 0}, "0000-01-01", "00:00:00"},
        {{253402300799, 0}, "9999-12-31", "23:59:59"},
    };
    for (const Row& row : rows) {
        const auto clock = clock_text(row.time);
        ASSERT_TRUE(clock) << row.time.seconds;
        EXPECT_EQ(clock->date(), row.date) << row.time.seconds;
        EXPECT_EQ(clock->time(), row.clock) << row.time.seconds;
    }
    for (const std::int64_t seconds :
         {std::int64_t{253402300800}, std::int64_t{-62167219201}, INT64_MAX, INT64_MIN})
        EXPECT_FALSE(clock_text({seconds, 0})) << seconds;
}

} // namespace
} // namespace fsrv::content
