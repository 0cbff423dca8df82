#include "worker/http/conditions.h"

#include "worker/http/date.h"

#include <fmt/format.h>
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

bool if_range_holds(std::string_view value, const Validators& validators, std::int64_t now) {
    if (value.starts_with('"')) {
        auto list = value;
        const auto tag = take_tag(list);
        return tag == value && tags_match(tag, validators.etag, Comparison::strong);
    }
    // A young file may change again within the second that its date names: then a date is no strong
    // validator (RFC 9110 8.8.2.2), no more than its tag is.
    if (is_weak(validators.etag)) return false;
    const auto date = parse_date(value, now);
    return date && validators.last_modified && *date == *validators.last_modified;
}

} // namespace

Validators make_validators(std::uint64_t size, FileTime mtime, FileTime now) {
    bool young = mtime > now;
    if (!young) {
        const auto seconds =
            static_cast<std::uint64_t>(now.seconds) - static_cast<std::uint64_t>(mtime.seconds);
        young = seconds <= 1 && static_cast<std::int64_t>(seconds) * 1'000'000'000 +
                                        now.nanoseconds - mtime.nanoseconds <
                                    limits::kYoungFileNs;
    }
    Validators validators{.etag = fmt::format("{}\"{:x}-{:x}-{:x}\"", young ? "W/" : "", size,
                                              static_cast<std::uint64_t>(mtime.seconds),
                                              static_cast<std::uint64_t>(mtime.nanoseconds))};
    // RFC 9110 8.8.2.1: a time in the future is replaced by that of the answer.
    const auto seconds = mtime > now ? now.seconds : mtime.seconds;
    if (date_is_representable(seconds)) validators.last_modified = seconds;
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
