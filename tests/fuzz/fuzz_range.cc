// A line "SIZE MAX_RANGES", then any bytes as the value of Range: the same answer as the slow
// reference's.
#include "tests/fuzz/fuzz.h"
#include "tests/worker/http/ranges_reference.h"
#include "worker/http/ranges.h"

#include <algorithm>
#include <charconv>

namespace {

using namespace fsrv;
using namespace fsrv::fuzz;
using namespace fsrv::http;

template <class Number>
Number take_number(std::string_view& text, Number fallback) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    Number value = fallback;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    text.remove_prefix(static_cast<std::size_t>(result.ptr - text.data()));
    return value;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto text = text_of(data, size);
    // No file has more than 2^63-1 bytes.
    const auto file_size = take_number<std::uint64_t>(text, 1000) & ~(std::uint64_t{1} << 63);
    const auto max_ranges = 1 + take_number<unsigned>(text, 64) % 1000;
    text.remove_prefix(text.starts_with('\n') ? 1 : 0);

    const GrowingRange growing = evaluate_growing_range(text, file_size);
    if (growing.verdict == RangeVerdict::partial) {
        const auto [first, length] = growing.range;
        require(length > 0 && first <= file_size, "it begins beyond the end");
        require(first + length - 1 <= std::max(kVeryLastByte, first),
                "it ends beyond the very last");
    }
    const auto result = evaluate_ranges(text, file_size, max_ranges);
    const auto expected = test::naive_ranges(text, file_size, max_ranges);
    require(result.verdict == expected.verdict, "another verdict than the reference's");
    if (result.verdict != RangeVerdict::partial) return 0;
    require(result.ranges == expected.ranges, "other ranges than the reference's");
    require(!result.ranges.empty() && result.ranges.size() <= max_ranges,
            "a wrong number of ranges");
    test::Wide sum = 0;
    for (const ByteRange& range : result.ranges) {
        require(range.length > 0, "an empty range");
        require(test::Wide{range.first} + range.length <= file_size, "a range beyond the file");
        sum += range.length;
    }
    require(sum <= file_size, "more than the file");
    return 0;
}
