#include "worker/content/listing.h"

#include "common/json.h"
#include "worker/content/listing_text.h"

#include <fmt/format.h>

namespace fsrv::content {

std::optional<http::Body> listing_json(const Listing& listing, std::string_view path,
                                       const std::shared_ptr<ByteBudget>& budget) {
    PiecedText pieces(budget);
    std::string& out = pieces.text();
    out += "{\"path\":";
    append_json_string(out, path.empty() ? "/" : fmt::format("/{}/", path));
    out += ",\"entries\":[";
    bool first = true;
    for (const ListedEntry& entry : listing.entries) {
        out += first ? "\n" : ",\n";
        first = false;
        out += "{\"name\":";
        append_json_string(out, entry.name);
        out += entry.folder ? ",\"type\":\"directory\"" : ",\"type\":\"file\"";
        if (!entry.folder) fmt::format_to(std::back_inserter(out), ",\"size\":{}", entry.size);
        if (const auto time = iso_time(entry.mtime, true))
            out.append(",\"mtime\":\"").append(*time).append("\"");
        out.append(",\"href\":\"").append(entry_href(entry, path)).append("\"}");
        if (!pieces.settle()) return std::nullopt;
    }
    out += listing.truncated ? "\n],\"truncated\":true}\n" : "\n],\"truncated\":false}\n";
    return std::move(pieces).finish();
}

} // namespace fsrv::content
