#include "tests/worker/http/ask.h"
#include "tests/worker/http/ranges_reference.h"

#include <fmt/format.h>
#include <random>

namespace fsrv::http::test {
namespace {

std::string show(const RangeResult& result) {
    if (result.verdict == RangeVerdict::whole) return "200";
    if (result.verdict == RangeVerdict::unsatisfiable) return "416";
    std::string out = "206";
    for (const ByteRange& range : result.ranges)
        out += fmt::format(" {}-{}", range.first, range.first + range.length - 1);
    return out;
}

struct Row {
    const char* name;
    std::string value;
    std::string answer;
    std::uint64_t size = 1000;
    unsigned max_ranges = 64;
};

TEST(Ranges, AnswerAsTheTableSays) {
    const std::string digits30(30, '9');
    const Row table[] = {
        {"RG01 first byte", "bytes=0-0", "206 0-0"},
        {"RG01 all of it", "bytes=0-999", "206 0-999"},
        {"RG01 end past EOF", "bytes=0-1000", "206 0-999"},
        {"RG01 end far past EOF", "bytes=500-499999", "206 500-999"},
        {"RG01 from", "bytes=990-", "206 990-999"},
        {"RG01 last byte", "bytes=-1", "206 999-999"},
        {"RG01 suffix of all", "bytes=-1000", "206 0-999"},
        {"RG01 suffix of more", "bytes=-5000", "206 0-999"},
        {"first 500", "bytes=0-499", "206 0-499"},
        {"from 500", "bytes=500-", "206 500-999"},
        {"last 500", "bytes=-500", "206 500-999"},
        {"RG02 at the end", "bytes=1000-", "416"},
        {"RG02 behind the end", "bytes=1000-1001", "416"},
        {"RG02 far behind the end", "bytes=99999-", "416"},
        {"RG03 no byte", "bytes=-0", "416"},
        {"RG03 no byte, at length", "bytes=-000", "416"},
        {"RG04 backwards", "bytes=5-4", "416"},
        {"RG04 backwards by much", "bytes=500-100", "416"},
        {"RG04 letters", "bytes=abc", "416"},
        {"RG04 letters around the dash", "bytes=a-b", "416"},
        {"RG04 letter at the end", "bytes=1-b", "416"},
        {"RG04 two dashes", "bytes=--6", "416"},
        {"RG04 many dashes", "bytes=---0", "416"},
        {"RG04 dashes around", "bytes=-6-", "416"},
        {"RG04 only a dash", "bytes=-", "416"},
        {"RG04 hexadecimal", "bytes=0x1-0x2", "416"},
        {"RG04 no dash", "bytes=1", "416"},
        {"RG04 nothing", "bytes=", "416"},
        {"RG04 commas", "bytes=, , ,", "416"},
        {"RG04 white space", "bytes=  \t", "416"},
        {"RG04 no comma", "bytes=1-2 3-4", "416"},
        {"RG04 no comma, from", "bytes=1-2 3-", "416"},
        {"RG04 space inside", "bytes=1 -2", "416"},
        {"RG04 plus", "bytes=+1-2", "416"},
        {"RG04 decimal point", "bytes=1.0-2", "416"},
        {"RG04 no equals sign", "bytes 0-1", "200"},
        {"RG05 one bad among good", "bytes=1-4,5-2", "416"},
        {"RG05 one bad at the end", "bytes=1-4,x", "416"},
        {"RG06 unsatisfiable ones are dropped", "bytes=0-9,100000-", "206 0-9"},
        {"RG06 one left of many", "bytes=5000-,0-9,-0", "206 0-9"},
        {"RG06 none left", "bytes=5000-,6000-,-0", "416"},
        {"RG07 another unit", "items=0-9", "200"},
        {"RG07 another unit, unreadable", "items=!", "200"},
        {"RG07 unit without case", "BYTES=0-9", "206 0-9"},
        {"RG07 a longer unit", "bytesx=0-9", "200"},
        {"RG07 space before the equals sign", "bytes =0-9", "200"},
        {"RG07 no unit", "=0-9", "200"},
        {"RG07 empty field", "", "200"},
        {"RG08 white space about commas", "bytes= 1-2 , 4-5 , ,", "206 1-2 4-5"},
        {"RG08 tabs", "bytes=\t1-2\t,\t4-5", "206 1-2 4-5"},
        {"RG09 2^64-1", "bytes=0-18446744073709551615", "206 0-999"},
        {"RG09 from 2^64-1", "bytes=18446744073709551615-", "416"},
        {"RG09 suffix 2^64-1", "bytes=-18446744073709551615", "206 0-999"},
        {"RG09 2^64", "bytes=0-18446744073709551616", "206 0-999"},
        {"RG09 from 2^64", "bytes=18446744073709551616-", "416"},
        {"RG09 2^63-1", "bytes=0-9223372036854775807", "206 0-999"},
        {"RG09 2^63", "bytes=10-9223372036854775808", "206 10-999"},
        {"RG09 30 digits", "bytes=0-" + digits30, "206 0-999"},
        {"RG09 from 30 digits", "bytes=" + digits30 + "-", "416"},
        {"RG09 30 digits twice", "bytes=" + digits30 + "-" + digits30, "416"},
        {"RG09 suffix of 30 digits", "bytes=-" + digits30, "206 0-999"},
        {"RG09 many zeros first", "bytes=" + std::string(300, '0') + "5-6", "206 5-6"},
        {"RG10 a sum beyond 64 bits", "bytes=-9223372036854775807,-9223372036854775807,0-", "200",
         9223372036854775807U},
        {"RG10 suffixes of all", "bytes=-9223372036854775807,-9223372036854775807", "200"},
        {"RG11 overlapping, more than the file", "bytes=0-,5-,5-", "200"},
        {"RG11 a thousand times all", "bytes=" + repeat("0-,", 1000), "200"},
        {"RG12 more than may be", "bytes=0-0,2-2,4-4", "200", 1000, 2},
        {"RG12 as many as may be", "bytes=0-0,2-2,4-4", "206 0-0 2-2 4-4", 1000, 3},
        {"RG12 only satisfiable ones count", "bytes=0-0,2-2,5000-,6000-", "206 0-0 2-2", 1000, 2},
        {"RG12 8 KB of tiny ones", "bytes=" + repeat("1-1,", 2000), "200"},
        {"RG12 a fault behind too many", "bytes=0-0,2-2,4-4,x", "416", 1000, 2},
        {"RG13 in order", "bytes=0-9,20-29", "206 0-9 20-29"},
        {"RG13 out of order", "bytes=20-29,0-9", "206 20-29 0-9"},
        {"RG13 overlapping", "bytes=0-9,5-14", "206 0-9 5-14"},
        {"RG13 adjacent", "bytes=0-9,10-19", "206 0-9 10-19"},
        {"RG13 twice the same", "bytes=0-9,0-9", "206 0-9 0-9"},
        {"RG13 they add up to the file", "bytes=0-499,500-", "206 0-499 500-999"},
        {"RG13 they add up to more", "bytes=0-500,500-", "200"},
        {"RG13 with a suffix", "bytes=0-0,-1", "206 0-0 999-999"},
        {"RG18 empty file", "bytes=0-", "200", 0},
        {"RG18 empty file, first byte", "bytes=0-0", "200", 0},
        {"RG18 empty file, suffix", "bytes=-5", "200", 0},
        {"RG18 empty file, backwards", "bytes=5-4", "200", 0},
        {"RG21 last 4 bytes of 1 TiB", "bytes=-4", "206 1099511627772-1099511627775", 1ULL << 40},
        {"RG21 over 4 GiB", "bytes=4294967295-4294967296", "206 4294967295-4294967296", 5ULL << 30},
        {"one byte", "bytes=0-", "206 0-0", 1},
        {"one byte, behind", "bytes=1-", "416", 1},
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.name);
        EXPECT_EQ(show(evaluate_ranges(row.value, row.size, row.max_ranges)), row.answer);
        EXPECT_EQ(show(naive_ranges(row.value, row.size, row.max_ranges)), row.answer)
            << "the reference";
    }
}

TEST(Ranges, TheHistoricalBombIsServedWhole) { // CVE-2011-3192
    std::string value = "bytes=0-";
    for (int i = 0; i < 1300; ++i) value += fmt::format(",5-{}", i + 5);
    EXPECT_EQ(show(evaluate_ranges(value, 1'000'000, 64)), "200");
}

// RG20: every pair around the sizes where something changes.
TEST(Ranges, AgreeWithTheReferenceOverAGrid) {
    for (const std::uint64_t size : {1ULL, 2ULL, 1000ULL, 65536ULL, 1ULL << 32, (1ULL << 63) - 1}) {
        std::vector<std::uint64_t> edges;
        for (const std::uint64_t centre :
             {std::uint64_t{0}, std::uint64_t{4096}, std::uint64_t{65536}, size})
            for (std::uint64_t delta = 0; delta < 3; ++delta) {
                edges.push_back(centre + delta);
                if (centre >= delta) edges.push_back(centre - delta);
            }
        std::vector<std::string> values;
        for (const auto a : edges) {
            values.push_back(fmt::format("bytes={}-", a));
            values.push_back(fmt::format("bytes=-{}", a));
            for (const auto b : edges) {
                values.push_back(fmt::format("bytes={}-{}", a, b));
                values.push_back(fmt::format("bytes={}-{},-{}", a, b, a));
            }
        }
        for (const std::string& value : values)
            ASSERT_EQ(show(evaluate_ranges(value, size, 64)), show(naive_ranges(value, size, 64)))
                << value << " of " << size;
    }
}

TEST(Ranges, AgreeWithTheReferenceAtRandom) {
    std::mt19937 random(7);
    const std::string_view pieces[] = {
        "0",   "1",    "9", "-",   "-", ",",  " ",  "\t",
        "999", "1000", "x", "500", "=", "-0", "0-", "18446744073709551615"};
    for (int i = 0; i < 100'000; ++i) {
        std::string value = "bytes=";
        for (auto n = random() % 8; n > 0; --n) value += pieces[random() % std::size(pieces)];
        const std::uint64_t size = random() % 3 == 0 ? random() % 3 : 1000;
        const unsigned max_ranges = 1 + static_cast<unsigned>(random() % 3);
        ASSERT_EQ(show(evaluate_ranges(value, size, max_ranges)),
                  show(naive_ranges(value, size, max_ranges)))
            << value << " of " << size;
    }
}

TEST(Ranges, OfWhatGrowsTheEndIsOpen) {
    constexpr std::uint64_t kLast = kVeryLastByte;
    using Verdict = RangeVerdict;
    const struct {
        const char* value;
        std::uint64_t size;
        Verdict verdict;
        std::uint64_t first = 0;
        std::uint64_t last = 0;
    } table[] = {
        {"bytes=0-", 1000, Verdict::partial, 0, kLast},
        {"bytes=999-", 1000, Verdict::partial, 999, kLast},
        {"bytes=1000-", 1000, Verdict::partial, 1000, kLast},
        {"bytes=1001-", 1000, Verdict::unsatisfiable},
        {"bytes=0-", 0, Verdict::partial, 0, kLast},
        {"bytes=1-", 0, Verdict::unsatisfiable},
        {"bytes=-1", 1000, Verdict::partial, 999, kLast},
        {"bytes=-1000", 1000, Verdict::partial, 0, kLast},
        {"bytes=-5000", 1000, Verdict::partial, 0, kLast},
        {"bytes=-5", 0, Verdict::partial, 0, kLast},
        {"bytes=-0", 1000, Verdict::unsatisfiable},
        {"bytes=10-19", 1000, Verdict::partial, 10, 19},
        {"Bytes= 10-19 ", 1000, Verdict::partial, 10, 19},
        {"bytes=10-5000", 1000, Verdict::partial, 10, 5000},
        {"bytes=0-99999999999999999999999", 1000, Verdict::partial, 0, kLast},
        {"bytes=19-10", 1000, Verdict::unsatisfiable},
        {"bytes=x", 1000, Verdict::unsatisfiable},
        {"bytes=", 1000, Verdict::unsatisfiable},
        {"bytes=0-1,5-", 1000, Verdict::whole},
        {"lines=0-", 1000, Verdict::whole},
        {"bytes", 1000, Verdict::whole},
        {"bytes=10000000000000000-", 20'000'000'000'000'000, Verdict::partial,
         10'000'000'000'000'000, 10'000'000'000'000'000},
    };
    for (const auto& row : table) {
        const GrowingRange got = evaluate_growing_range(row.value, row.size);
        EXPECT_EQ(got.verdict, row.verdict) << row.value;
        if (row.verdict != Verdict::partial) continue;
        EXPECT_EQ(got.range.first, row.first) << row.value;
        EXPECT_EQ(got.range.length, row.last - row.first + 1) << row.value;
    }
}

} // namespace
} // namespace fsrv::http::test
