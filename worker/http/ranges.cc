#include "worker/http/ranges.h"

#include "worker/http/request.h"
#include "worker/http/text.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace fsrv::http {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

struct Spec {
    std::optional<std::uint64_t> first; // none: a suffix of `last` bytes
    std::optional<std::uint64_t> last;
};

// 1*DIGIT, saturating; false for anything else.
bool parse_number(std::string_view text, std::uint64_t& value) {
    if (text.empty()) return false;
    value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return false;
        const auto digit = static_cast<std::uint64_t>(c - '0');
        value = value > (kMax - digit) / 10 ? kMax : value * 10 + digit;
    }
    return true;
}

std::optional<Spec> parse_spec(std::string_view text) {
    const auto dash = text.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto before = text.substr(0, dash);
    const auto after = text.substr(dash + 1);
    Spec spec;
    std::uint64_t number = 0;
    if (!before.empty()) {
        if (!parse_number(before, number)) return std::nullopt;
        spec.first = number;
    }
    if (!after.empty()) {
        if (!parse_number(after, number)) return std::nullopt;
        spec.last = number;
    }
    if (!spec.first && !spec.last) return std::nullopt;
    if (spec.first && spec.last && *spec.first > *spec.last) return std::nullopt;
    return spec;
}

std::optional<ByteRange> satisfy(const Spec& spec, std::uint64_t size) {
    if (!spec.first) {
        const auto length = std::min(*spec.last, size);
        if (length == 0) return std::nullopt;
        return ByteRange{.first = size - length, .length = length};
    }
    if (*spec.first >= size) return std::nullopt;
    const auto last = std::min(spec.last.value_or(kMax), size - 1);
    return ByteRange{.first = *spec.first, .length = last - *spec.first + 1};
}

// Behind "bytes="; none: another unit.
std::optional<std::string_view> list_of_bytes(std::string_view value) {
    const auto equals = value.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    if (!equal_ignoring_case(value.substr(0, equals), "bytes")) return std::nullopt;
    return value.substr(equals + 1);
}

} // namespace

RangeResult evaluate_ranges(std::string_view value, std::uint64_t size, unsigned max_ranges) {
    const auto list = list_of_bytes(value);
    if (!list || size == 0) return {};

    RangeResult result{.verdict = RangeVerdict::partial};
    bool too_many = false;
    std::uint64_t sum = 0;
    for (std::string_view rest = *list;;) {
        const auto comma = rest.find(',');
        const auto element = trim(rest.substr(0, comma));
        if (!element.empty()) { // RFC 9110 5.6.1.2: empty elements of a list are to be ignored
            const auto spec = parse_spec(element);
            if (!spec) return {.verdict = RangeVerdict::unsatisfiable};
            if (const auto range = satisfy(*spec, size)) {
                too_many = too_many || result.ranges.size() >= max_ranges;
                sum = range->length > kMax - sum ? kMax : sum + range->length;
                if (!too_many) result.ranges.push_back(*range);
            }
        }
        if (comma == std::string_view::npos) break;
        rest.remove_prefix(comma + 1);
    }
    if (result.ranges.empty()) return {.verdict = RangeVerdict::unsatisfiable};
    if (too_many || sum > size) return {};
    return result;
}

GrowingRange evaluate_growing_range(std::string_view value, std::uint64_t size) {
    const auto list = list_of_bytes(value);
    if (!list || list->find(',') != std::string_view::npos) return {};
    const auto spec = parse_spec(trim(*list));
    const bool is_empty = spec && !spec->first && *spec->last == 0;
    if (!spec || is_empty || spec->first.value_or(0) > size)
        return {.verdict = RangeVerdict::unsatisfiable};
    const std::uint64_t first = spec->first ? *spec->first : size - std::min(*spec->last, size);
    const std::uint64_t very_last = std::max(kVeryLastByte, first);
    const std::uint64_t last =
        spec->first && spec->last ? std::min(*spec->last, very_last) : very_last;
    return {.verdict = RangeVerdict::partial,
            .range = {.first = first, .length = last - first + 1}};
}

} // namespace fsrv::http
