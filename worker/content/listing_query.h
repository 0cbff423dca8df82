// What the query of a folder asks of its listing. Pure.
//
//   ?sort=name|size|time&order=asc|desc   without order: names ascending, the largest and the
//                                         newest first; anything else is ignored
//   &limit=N                              a page of so many entries
//   &after=NAME, &before=NAME             the page behind a place in the order, or before it. A
//                                         slash behind the name: a folder's. Nothing needs to be
//                                         there any more, so nothing is left out or repeated,
//                                         whatever comes and goes meanwhile
//   &at=BYTES, &at=SECONDS.NANOSECONDS    what the order by size or time goes by at that place
//   &q=TEXT                               only names with it, without case
//   &format=json|ndjson
//
// Of what comes twice the last counts.
#pragma once

#include "common/result.h"
#include "worker/content/listing_order.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace fsrv::content {

// A place in an order, which an entry has or had.
struct ListingPlace {
    std::string name;
    bool folder = false;
    std::optional<std::uint64_t> size;
    std::optional<FileTime> mtime;

    // Whether the name's entry, if it is there, has to tell more.
    bool is_vague(ListingOrder order) const;
};

struct ListingQuery {
    enum class Form { html, json, ndjson };

    Form form = Form::html;
    ListingOrder order;
    std::optional<std::size_t> limit;  // 1 and more
    std::optional<ListingPlace> after; // one of both at most
    std::optional<ListingPlace> before;
    std::string filter; // empty: all
};

// The error says what is wrong with it, and is constant. `json`: Accept prefers it.
Result<ListingQuery, std::string_view> parse_listing_query(std::string_view query, bool json);

// A relative reference, "?…", to the page behind `entry` (or before it): as `query` asks for it.
enum class Beside { after, before };
std::string listing_link(const ListingQuery& query, Beside beside, const ListedEntry& entry);

struct ListingField {
    std::string_view name;
    std::string value; // as it is, to be escaped
};
// What keeps the order, the filter and the limit in a form's next request, but for `without`.
std::vector<ListingField> kept_fields(const ListingQuery& query, std::string_view without = "");
// What leads beside `entry`.
std::vector<ListingField> place_fields(ListingOrder order, Beside beside, const ListedEntry& entry);

} // namespace fsrv::content
