#include "worker/content/listing_query.h"

#include "common/ascii.h"
#include "worker/http/target.h"

#include <fmt/format.h>

namespace fsrv::content {
namespace {

constexpr std::string_view kBadText = "the query's percent-encoding is bad";
constexpr std::string_view kBadLimit = "limit= is a number of entries, 1 and more";
constexpr std::string_view kBadAfter = "after= and before= are the name of an entry";
constexpr std::string_view kTwoPlaces = "after= or before=, not both";
constexpr std::string_view kBadAt = "at= is bytes, or seconds.nanoseconds, as sort= says";

std::optional<ListingPlace> parse_place(std::string_view name) {
    ListingPlace place;
    place.folder = name.ends_with('/');
    if (place.folder) name.remove_suffix(1);
    if (name.empty() || name.find('/') != name.npos) return std::nullopt;
    place.name = name;
    return place;
}

std::optional<FileTime> parse_time(std::string_view text) {
    const auto seconds = to_number<std::int64_t>(take_before(text, '.'));
    const auto nanoseconds =
        text.empty() ? std::optional<std::uint32_t>(0) : to_number<std::uint32_t>(text);
    if (!seconds || !nanoseconds || *nanoseconds >= 1'000'000'000) return std::nullopt;
    return FileTime{*seconds, *nanoseconds};
}

bool put_at(ListingPlace& place, std::string_view at, ListingOrder order) {
    switch (order.key) {
    case ListingOrder::Key::name: return true;
    case ListingOrder::Key::size: place.size = to_number<std::uint64_t>(at); break;
    case ListingOrder::Key::time: place.mtime = parse_time(at); break;
    }
    return place.size || place.mtime;
}

std::string_view word_of(ListingOrder::Key key) {
    switch (key) {
    case ListingOrder::Key::size: return "size";
    case ListingOrder::Key::time: return "time";
    default: return "name";
    }
}

void append_parameter(std::string& link, std::string_view name, std::string_view value) {
    link.push_back(link.empty() ? '?' : '&');
    link.append(name).push_back('=');
    http::append_segment(link, value);
}

} // namespace

bool ListingPlace::is_vague(ListingOrder order) const {
    using Key = ListingOrder::Key;
    return !folder || (order.key == Key::size && !size) || (order.key == Key::time && !mtime);
}

Result<ListingQuery, std::string_view> parse_listing_query(std::string_view query, bool json) {
    using Key = ListingOrder::Key;
    ListingQuery asked;
    std::optional<bool> descending;
    std::optional<std::string> after;
    std::optional<std::string> before;
    std::optional<std::string> at;
    std::string format;
    while (!query.empty()) {
        std::string_view pair = take_before(query, '&');
        const auto name = http::decode_in_query(take_before(pair, '='));
        if (!name) continue; // none of ours
        const auto value = http::decode_in_query(pair);
        if (*name == "sort") {
            if (value == "name") asked.order.key = Key::name;
            if (value == "size") asked.order.key = Key::size;
            if (value == "time") asked.order.key = Key::time;
        } else if (*name == "order") {
            if (value == "asc") descending = false;
            if (value == "desc") descending = true;
        } else if (*name == "format") {
            format = value.value_or("");
        } else if (*name == "limit") {
            asked.limit = to_number<std::size_t>(value.value_or(""));
            if (asked.limit.value_or(0) == 0) return unexpected(kBadLimit);
        } else if (*name == "q" || *name == "after" || *name == "before" || *name == "at") {
            if (!value) return unexpected(kBadText);
            if (*name == "q") asked.filter = *value;
            if (*name == "after") after = value;
            if (*name == "before") before = value;
            if (*name == "at") at = value;
        }
    }
    asked.order.descending = descending.value_or(asked.order.key != Key::name);
    if (format == "json" || json) asked.form = ListingQuery::Form::json;
    if (format == "ndjson") asked.form = ListingQuery::Form::ndjson;
    if (after && before) return unexpected(kTwoPlaces);
    for (const auto& [text, place] : {std::pair(&after, &asked.after), {&before, &asked.before}}) {
        if (!*text) continue;
        *place = parse_place(**text);
        if (!*place) return unexpected(kBadAfter);
        if (at && !put_at(**place, *at, asked.order)) return unexpected(kBadAt);
    }
    return asked;
}

std::vector<ListingField> kept_fields(const ListingQuery& query, std::string_view without) {
    std::vector<ListingField> fields;
    const auto add = [&](std::string_view name, std::string value) {
        if (name != without) fields.push_back({name, std::move(value)});
    };
    if (query.order != ListingOrder{}) {
        add("sort", std::string(word_of(query.order.key)));
        add("order", query.order.descending ? "desc" : "asc");
    }
    if (!query.filter.empty()) add("q", query.filter);
    if (query.limit) add("limit", std::to_string(*query.limit));
    return fields;
}

std::vector<ListingField> place_fields(ListingOrder order, Beside beside,
                                       const ListedEntry& entry) {
    std::vector<ListingField> fields;
    fields.push_back({beside == Beside::after ? "after" : "before",
                      std::string(entry.name) + (entry.folder ? "/" : "")});
    if (order.key == ListingOrder::Key::size) fields.push_back({"at", std::to_string(entry.size)});
    if (order.key == ListingOrder::Key::time)
        fields.push_back(
            {"at", fmt::format("{}.{:09}", entry.mtime.seconds, entry.mtime.nanoseconds)});
    return fields;
}

std::string listing_link(const ListingQuery& query, Beside beside, const ListedEntry& entry) {
    std::string link;
    if (query.form == ListingQuery::Form::json) append_parameter(link, "format", "json");
    for (const ListingField& field : kept_fields(query))
        append_parameter(link, field.name, field.value);
    for (const ListingField& field : place_fields(query.order, beside, entry))
        append_parameter(link, field.name, field.value);
    return link;
}

} // namespace fsrv::content
