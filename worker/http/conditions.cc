#include "worker/http/conditions.h"

#include "worker/http/date.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <limits>
#include <string_view>

namespace fsrv::http {
namespace {

// The opaque part, quotes included, of an entity-tag.
std::string_view opaque(std::string_view tag) {
    return tag.starts_with("W/") ? tag.substr(2) : tag;
}

bool is_weak(std::string_view tag) {
    return tag.starts_with("W/");
}

constexpr bool is_etagc(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x21 || (byte >= 0x23 && byte <= 0x7E) || byte >= 0x80;
}

// Takes the next entity-tag off a list; empty at its end and at the first thing that is no
// entity-tag.
std::string_view take_tag(std::string_view& list) {
    const auto begin = list.find_first_not_of(" \t,");
    if (begin == std::string_view::npos) return {};
    list.remove_prefix(begin);
    std::size_t end = list.starts_with("W/") ? 2 : 0;
    if (end >= list.size() || list[end] != '"') return {};
    do ++end;
    while (end < list.size() && is_etagc(list[end]));
    if (end >= list.size() || list[end] != '"') return {};
    const auto tag = list.substr(0, end + 1);
    list.remove_prefix(end + 1);
    const auto next = list.find_first_not_of(" \t");
    if (next != std::string_view::npos && list[next] != ',') return {};
    return tag;
}

enum class Comparison { strong, weak };

bool tags_match(std::string_view a, std::string_view b, Comparison comparison) {
    if (comparison == Comparison::strong && (is_weak(a) || is_weak(b))) return false;
    return opaque(a) == opaque(b);
}

// True when one of the fields of that name is "*" or lists the tag. Several fields are one list
// (RFC 9110 5.3).
bool lists_tag(const Request& request, std::string_view name, std::string_view etag,
               Comparison comparison) {
    for (const Field& field : request.all_fields()) {
        if (!equal_ignoring_case(field.name, name)) continue;
        if (field.value == "*") return true;
        auto list = field.value;
        for (auto tag = take_tag(list); !tag.empty(); tag = take_tag(list))
            if (tags_match(tag, etag, comparison)) return true;
    }
    return false;
}

std::optional<std::int64_t> date_field(const Request& request, std::string_view name,
                                       std::int64_t now) {
    const auto value = request.field(name);
    return value ? parse_date(*value, now) : std::nullopt;
}

bool is_unset(FileTime time) {
    constexpr auto kBeginning = std::numeric_limits<std::int64_t>::min();
    constexpr std::int64_t kDay = 86'400;
    constexpr std::int64_t kFirstZone = 14 * 3'600; // UTC+14, where a day begins
    constexpr std::int64_t kLastZone = 12 * 3'600;  // UTC-12, where it ends
    struct Span {
        std::int64_t first;
        std::int64_t last;
    };
    static constexpr Span kSpans[] = {
#define FSRV_UNSET_TIME(first, last) {first, last},
#include "worker/http/unset_times.def"
#undef FSRV_UNSET_TIME
    };
    return std::any_of(std::begin(kSpans), std::end(kSpans), [time](const Span& span) {
        return span.first <= time.seconds && time.seconds <= span.last;
    });
}

// Within limits::kYoungFileNs, before or after.
bool is_young(FileTime time, FileTime now) {
    const FileTime& early = std::min(time, now);
    const FileTime& late = std::max(time, now);
    const auto seconds =
        static_cast<std::uint64_t>(late.seconds) - static_cast<std::uint64_t>(early.seconds);
    return seconds <= 1 && static_cast<std::int64_t>(seconds) * 1'000'000'000 + late.nanoseconds -
                                   early.nanoseconds <
                               limits::kYoungFileNs;
}

bool if_range_holds(std::string_view value, const Validators& validators, std::int64_t now) {
    if (value.starts_with('"')) {
        auto list = value;
        const auto tag = take_tag(list);
        return tag == value && tags_match(tag, validators.etag, Comparison::strong);
    }
    if (!validators.date_is_strong) return false;
    const auto date = parse_date(value, now);
    return date && validators.last_modified && *date == *validators.last_modified;
}

} // namespace

Validators make_validators(const FileState& file, FileTime now) {
    if (is_unset(file.mtime)) {
        if (is_unset(file.ctime)) return {};
        return {.etag = fmt::format("W/\"{:x}-{:x}-{:x}-{:x}\"", file.size,
                                    static_cast<std::uint64_t>(file.ctime.seconds),
                                    static_cast<std::uint64_t>(file.ctime.nanoseconds), file.inode),
                .last_modified = std::nullopt,
                .settled = !is_young(file.ctime, now)};
    }
    const bool young = is_young(file.mtime, now);
    const bool from_future = file.mtime > now;
    Validators validators{.etag = fmt::format("{}\"{:x}-{:x}-{:x}\"", young ? "W/" : "", file.size,
                                              static_cast<std::uint64_t>(file.mtime.seconds),
                                              static_cast<std::uint64_t>(file.mtime.nanoseconds)),
                          .last_modified = std::nullopt,
                          // Within the second of a young one's date it may change again; that of
                          // one from the future is the answer's.
                          .date_is_strong = !young && !from_future,
                          .settled = !young};
    // RFC 9110 8.8.2.1: a time in the future is replaced by that of the answer.
    const auto seconds = from_future ? now.seconds : file.mtime.seconds;
    if (date_is_representable(seconds)) validators.last_modified = seconds;
    return validators;
}

Validators coded_validators(const Validators& identity, Coding coding, bool weak) {
    Validators validators = identity;
    if (identity.etag.empty()) return validators;
    validators.etag.pop_back(); // the quote
    validators.etag.append("-").append(suffix_of(coding)).append("\"");
    if (weak && !is_weak(validators.etag)) validators.etag.insert(0, "W/");
    return validators;
}

Precondition evaluate_preconditions(const Request& request, const Validators& validators,
                                    std::int64_t now) {
    const auto modified = validators.last_modified;

    if (request.count("If-Match") > 0) {
        if (!lists_tag(request, "If-Match", validators.etag, Comparison::strong))
            return Precondition::failed;
    } else if (const auto date = date_field(request, "If-Unmodified-Since", now);
               date && modified) {
        if (*modified > *date) return Precondition::failed;
    }

    if (request.count("If-None-Match") > 0) {
        if (lists_tag(request, "If-None-Match", validators.etag, Comparison::weak))
            return Precondition::not_modified;
    } else if (const auto date = date_field(request, "If-Modified-Since", now); date && modified) {
        if (*modified <= *date) return Precondition::not_modified;
    }

    if (request.count("Range") > 0 && request.count("If-Range") > 0) {
        const auto value = request.field("If-Range");
        if (!value || !if_range_holds(*value, validators, now)) return Precondition::ignore_range;
    }
    return Precondition::proceed;
}

} // namespace fsrv::http
