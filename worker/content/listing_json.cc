#include "worker/content/listing.h"

#include "common/json.h"
#include "common/number_text.h"
#include "worker/content/listing_text.h"

#include <fmt/format.h>

namespace fsrv::content {

namespace {

// RFC 3339, to the millisecond.
void append_mtime(std::string& out, FileTime mtime) {
    const auto clock = clock_text(mtime);
    if (!clock) return;
    const auto thousandth = static_cast<unsigned>(mtime.nanoseconds / 1'000'000);
    out.append(",\"mtime\":\"").append(clock->date()).append("T").append(clock->time());
    out.push_back('.');
    for (const unsigned unit : {100U, 10U, 1U})
        out.push_back(static_cast<char>('0' + thousandth / unit % 10));
    out += "Z\"";
}

} // namespace

void append_json_entry(std::string& out, const ListedEntry& entry, std::string_view path) {
    out += "{\"name\":";
    append_json_string(out, entry.name);
    out += entry.folder ? ",\"type\":\"directory\"" : ",\"type\":\"file\"";
    if (!entry.folder && entry.known) {
        out += ",\"size\":";
        append_number(out, entry.size);
    }
    if (entry.known) append_mtime(out, entry.mtime);
    out += ",\"href\":\"";
    append_href(out, entry, path);
    out += "\"}";
}

std::optional<http::Body> listing_json(const Listing& listing, const ListingFacts& facts,
                                       const std::shared_ptr<ByteBudget>& budget) {
    PiecedText pieces(budget);
    std::string& out = pieces.text();
    out += "{\"path\":";
    append_json_string(out, facts.path.empty() ? "/" : fmt::format("/{}/", facts.path));
    out += ",\"entries\":[";
    bool first = true;
    for (const ListedEntry& entry : listing.entries) {
        out += first ? "\n" : ",\n";
        first = false;
        append_json_entry(out, entry, facts.path);
        if (!pieces.settle()) return std::nullopt;
    }
    out += listing.more_after ? "\n],\"truncated\":true" : "\n],\"truncated\":false";
    if (listing.more_after && !listing.entries.empty()) {
        out += ",\"next\":";
        append_json_string(out, listing_link(facts.query, Beside::after, listing.entries.back()));
    }
    out += "}\n";
    return std::move(pieces).finish();
}

} // namespace fsrv::content
