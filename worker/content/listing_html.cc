#include "worker/content/listing.h"

#include "common/limits.h"
#include "worker/content/listing_text.h"
#include "worker/http/page.h"
#include "worker/http/target.h"

#include <algorithm>
#include <fmt/format.h>

namespace fsrv::content {
namespace {

// A name for a person's eyes: without control characters, and without those that turn the writing
// direction of what follows, or "gpj.exe" could pose as a picture. The link keeps the exact bytes.
std::string shown_name(std::string_view name) {
    std::string plain;
    while (!name.empty()) {
        const auto first = static_cast<unsigned char>(name.front());
        const std::string_view three = name.substr(0, 3);
        const bool turns =
            (three >= "\xE2\x80\xAA" && three <= "\xE2\x80\xAE") || // U+202A to U+202E
            (three >= "\xE2\x81\xA6" && three <= "\xE2\x81\xA9");   // U+2066 to U+2069
        const bool hidden = first < 0x20 || first == 0x7F || turns;
        plain += hidden ? std::string_view("\xEF\xBF\xBD") : name.substr(0, 1);
        name.remove_prefix(turns ? 3 : 1);
    }
    return http::escape_html(plain);
}

std::string counted(std::uint64_t number, std::string_view one, std::string_view many) {
    return fmt::format("{} {}", grouped(number), number == 1 ? one : many);
}

// The folders above as links, and the folder itself as the heading. All relative, so that a proxy
// may put the tree anywhere.
void append_heading(std::string& out, std::string_view path) {
    if (path.empty()) {
        out += "<h1>Files</h1>\n";
        return;
    }
    auto above = static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')) + 1;
    const auto up = [&](std::size_t steps) {
        for (; steps > 0; --steps) out += "../";
    };
    out += "<nav aria-label=\"Folders above\"><ol><li><a href=\"";
    up(above);
    out += "\">Files</a></li>";
    if (above > limits::kMaxShownAncestors + 1) out += "<li>\xE2\x80\xA6</li>";
    for (; above > limits::kMaxShownAncestors + 1; --above) path.remove_prefix(path.find('/') + 1);
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
         slash = path.find('/')) {
        out += "<li><a href=\"";
        up(--above);
        out.append("\">").append(shown_name(path.substr(0, slash))).append("</a></li>");
        path.remove_prefix(slash + 1);
    }
    out.append("</ol></nav>\n<h1>").append(shown_name(path)).append("</h1>\n");
}

// A column's head: a button that sorts by it, and turns the order when it already does. No link:
// programs that fetch whole trees would follow it, and have each folder in every order.
void append_column(std::string& out, std::string_view label, ListingOrder::Key key,
                   std::string_view word, ListingOrder order) {
    const bool current = order.key == key;
    const bool descending = current ? !order.descending : key != ListingOrder::Key::name;
    const std::string_view sorted = !current           ? ""
                                    : order.descending ? " aria-sort=\"descending\""
                                                       : " aria-sort=\"ascending\"";
    fmt::format_to(std::back_inserter(out),
                   "<th scope=\"col\"{}><form><input type=\"hidden\" name=\"sort\" value=\"{}\">"
                   "<button name=\"order\" value=\"{}\">{}</button></form></th>",
                   sorted, word, descending ? "desc" : "asc", label);
}

void append_row(std::string& out, const ListedEntry& entry, std::string_view path) {
    const std::string_view slash = entry.folder ? "/" : "";
    out.append("<tr><td><a href=\"").append(entry_href(entry, path)).append("\">");
    out.append(shown_name(entry.name)).append(slash).append("</a></td> <td>");
    // In the attribute too the time stands behind a space, as Kodi looks for it.
    if (const auto time = iso_time(entry.mtime, false)) {
        const std::string_view text = *time;
        const std::string_view date = text.substr(0, 10);
        fmt::format_to(std::back_inserter(out),
                       "<time datetime=\"{} {}\">{}<span> {}</span></time>", date, text.substr(11),
                       date, text.substr(11, 5));
    }
    if (entry.folder) {
        out += "</td> <td>-</td></tr>\n"; // as Apache's, or lftp takes no date either
    } else {
        fmt::format_to(std::back_inserter(out), "</td> <td title=\"{}\">{}</td></tr>\n",
                       counted(entry.size, "byte", "bytes"), human_size(entry.size));
    }
}

void append_footer(std::string& out, const Listing& listing) {
    std::size_t folders = 0;
    std::uint64_t bytes = 0;
    for (const ListedEntry& entry : listing.entries) {
        folders += entry.folder ? 1 : 0;
        bytes += entry.size;
    }
    const std::size_t files = listing.entries.size() - folders;
    out += "<footer><span>";
    if (folders > 0)
        out.append(counted(folders, "folder", "folders")).append(files > 0 ? ", " : "");
    if (files > 0 || folders == 0) out.append(counted(files, "file", "files"));
    if (files > 0) {
        fmt::format_to(std::back_inserter(out), ", <span title=\"{}\">{}</span>",
                       counted(bytes, "byte", "bytes"), human_size(bytes));
    }
    out += "</span><span>Times are UTC</span><form><button name=\"format\" "
           "value=\"json\">JSON</button></form><span>fsrv</span></footer>\n";
}

} // namespace

std::optional<http::Body> listing_html(const Listing& listing, std::string_view path,
                                       ListingOrder order,
                                       const std::shared_ptr<ByteBudget>& budget) {
    using Key = ListingOrder::Key;
    PiecedText pieces(budget);
    std::string& out = pieces.text();
    out += http::page_start(path.empty() ? "/" : fmt::format("/{}/", path));
    append_heading(out, path);
    if (listing.truncated) {
        fmt::format_to(std::back_inserter(out),
                       "<p class=\"note\" role=\"note\">This folder is too big to show whole: only "
                       "{} entries are listed.</p>\n",
                       grouped(listing.entries.size()));
    }
    out += "<table>\n<thead><tr>";
    append_column(out, "Name", Key::name, "name", order);
    append_column(out, "Modified", Key::time, "time", order);
    append_column(out, "Size", Key::size, "size", order);
    out += "</tr></thead>\n<tbody>\n";
    if (!path.empty())
        out += "<tr><td><a href=\"../\">Parent folder</a></td><td></td><td></td></tr>\n";
    for (const ListedEntry& entry : listing.entries) {
        append_row(out, entry, path);
        if (!pieces.settle()) return std::nullopt;
    }
    out += "</tbody>\n</table>\n";
    if (listing.entries.empty()) out += "<p class=\"none\">This folder is empty.</p>\n";
    append_footer(out, listing);
    out += http::page_end();
    return std::move(pieces).finish();
}

} // namespace fsrv::content
