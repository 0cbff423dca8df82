// Range (RFC 9110 14) with the answers of product.md section 4. Pure; linear in the header's
// length; no overflow: numbers saturate at 2^64-1.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace fsrv::http {

struct ByteRange {
    std::uint64_t first = 0;
    std::uint64_t length = 0; // > 0, first + length <= size
    friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

enum class RangeVerdict {
    whole,         // no Range as far as the answer goes: 200
    partial,       // `ranges` holds one (206) or several (206 multipart), in the order asked
    unsatisfiable, // 416
};

struct RangeResult {
    RangeVerdict verdict = RangeVerdict::whole;
    std::vector<ByteRange> ranges;
};

// `value`: the field's value. `size`: of the whole representation. `max_ranges` > 0.
//   other unit, empty representation, more than max_ranges satisfiable ones, sum of lengths > size
//   with several: whole bytes= with a syntax error anywhere, first > last, or nothing satisfiable:
//   unsatisfiable
RangeResult evaluate_ranges(std::string_view value, std::uint64_t size, unsigned max_ranges);

// The one range of what may still grow, as RFC 8673 has it: it may begin where that ends now, and
// end beyond. `partial`: of `range` the last byte is the one that was asked for, or
// kVeryLastByte. `whole`: another unit, or several ranges.
struct GrowingRange {
    RangeVerdict verdict = RangeVerdict::whole;
    ByteRange range;
};
inline constexpr std::uint64_t kVeryLastByte = (std::uint64_t{1} << 53) - 1; // exact in JSON too
GrowingRange evaluate_growing_range(std::string_view value, std::uint64_t size);

} // namespace fsrv::http
