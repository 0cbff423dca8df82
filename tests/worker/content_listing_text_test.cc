// The parts of a listing on values: order, sizes, times, and a folder of the largest size.

#include "tests/worker/content_json.h"
#include "tests/worker/content_support.h"
#include "worker/content/listing.h"
#include "worker/content/listing_text.h"

#include <memory>
#include <vector>

namespace fsrv::content {
namespace {

TEST(ListingSize, AHundredThousandEntriesComeInPieces) {
    Listing listing;
    for (int i = 0; i < 100'000; ++i)
        listing.entries.push_back(
            {.name = "entry-" + std::to_string(99'999 - i), .size = static_cast<std::uint64_t>(i)});
    sort_listing(listing, {});
    EXPECT_EQ(listing.entries.front().name, "entry-0");
    EXPECT_EQ(listing.entries[10].name, "entry-10");
    EXPECT_EQ(listing.entries.back().name, "entry-99999");
    const auto budget = std::make_shared<ByteBudget>(std::size_t{64} * 1024 * 1024);
    {
        const auto html = listing_html(listing, "", {}, budget);
        const auto json = listing_json(listing, "", budget);
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
            listing.entries.push_back({.name = sorted[(i * 7 + rotate) % sorted.size()]});
        sort_listing(listing, {});
        std::vector<std::string> names;
        for (const ListedEntry& entry : listing.entries) names.push_back(entry.name);
        ASSERT_EQ(names, sorted);
    }
}

TEST(ListingText, WritesTimesInEveryYear) {
    struct Row {
        FileTime time;
        std::optional<std::string> plain, exact;
    };
    const Row rows[] = {
        {{0, 0}, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"},
        {{1704067199, 999'999'999}, "2023-12-31T23:59:59Z", "2023-12-31T23:59:59.999Z"},
        {{1709164800, 123'000'000}, "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.123Z"},
        {{-1, 0}, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000Z"},
        {{-62167219200, 0}, "0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"},
        {{253402300799, 0}, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"},
        {{253402300800, 0}, std::nullopt, std::nullopt},
        {{-62167219201, 0}, std::nullopt, std::nullopt},
        {{INT64_MAX, 0}, std::nullopt, std::nullopt},
        {{INT64_MIN, 0}, std::nullopt, std::nullopt},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(iso_time(row.time, false), row.plain) << row.time.seconds;
        EXPECT_EQ(iso_time(row.time, true), row.exact) << row.time.seconds;
    }
}

TEST(ListingText, WritesSizesForPeople) {
    const std::pair<std::uint64_t, const char*> rows[] = {
        {0, "0 B"},
        {1, "1 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},
        {1048524, "1023.9 KiB"},
        {1048525, "1.0 MiB"},
        {1048576, "1.0 MiB"},
        {std::uint64_t{5} << 30, "5.0 GiB"},
        {std::uint64_t{1} << 40, "1.0 TiB"},
        {UINT64_MAX, "16.0 EiB"},
    };
    for (const auto& [bytes, text] : rows) EXPECT_EQ(human_size(bytes), text);
    EXPECT_EQ(grouped(0), "0");
    EXPECT_EQ(grouped(999), "999");
    EXPECT_EQ(grouped(1000), "1,000");
    EXPECT_EQ(grouped(1234567), "1,234,567");
    EXPECT_EQ(grouped(UINT64_MAX), "18,446,744,073,709,551,615");
}

} // namespace
} // namespace fsrv::content
