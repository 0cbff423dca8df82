#include "worker/content/listing.h"

#include "common/escape.h"
#include "common/limits.h"
#include "common/number_text.h"
#include "worker/content/listing_text.h"
#include "worker/http/page.h"

#include <algorithm>
#include <fmt/format.h>

namespace fsrv::content {
namespace {

// No control character, nothing that HTML takes for its own, nothing beyond ASCII.
bool shows_itself(char c) {
    return c >= 0x20 && c != 0x7F && c != '&' && c != '<' && c != '>' && c != '"' && c != '\'';
}

// A name for a person's eyes: without control characters, and without those that turn the writing
// direction of what follows, or "gpj.exe" could pose as a picture. The link keeps the exact bytes.
void append_shown(std::string& out, std::string_view name) {
    while (!name.empty()) {
        const auto plain = std::find_if_not(name.begin(), name.end(), shows_itself);
        const auto length = static_cast<std::size_t>(plain - name.begin());
        out.append(name.substr(0, length));
        name.remove_prefix(length);
        if (name.empty()) return;
        const std::string_view three = name.substr(0, 3);
        const auto first = static_cast<unsigned char>(name.front());
        const bool turns =
            (three >= "\xE2\x80\xAA" && three <= "\xE2\x80\xAE") || // U+202A to U+202E
            (three >= "\xE2\x81\xA6" && three <= "\xE2\x81\xA9");   // U+2066 to U+2069
        const std::size_t bytes = turns ? 3 : std::max<std::size_t>(utf8_length(name), 1);
        if (turns || first < 0x20 || first == 0x7F) {
            out += "\xEF\xBF\xBD"; // U+FFFD
        } else {
            out += http::escape_html(name.substr(0, bytes));
        }
        name.remove_prefix(bytes);
    }
}

void append_counted(std::string& out, std::uint64_t number, std::string_view one,
                    std::string_view many) {
    append_grouped(out, number);
    out.append(" ").append(number == 1 ? one : many);
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
        out += "\">";
        append_shown(out, path.substr(0, slash));
        out += "</a></li>";
        path.remove_prefix(slash + 1);
    }
    out += "</ol></nav>\n<h1>";
    append_shown(out, path);
    out += "</h1>\n";
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
    out += "<tr><td><a href=\"";
    append_href(out, entry, path);
    out += "\">";
    append_shown(out, entry.name);
    out.append(slash).append("</a></td> <td>");
    if (const auto clock = entry.known ? clock_text(entry.mtime) : std::nullopt) {
        // In the attribute too the time stands behind a space, as Kodi looks for it.
        out.append("<time datetime=\"").append(clock->date()).append(" ").append(clock->time());
        out.append("Z\">").append(clock->date()).append("<span> ");
        out.append(clock->time().substr(0, 5)).append("</span></time>");
    }
    if (entry.folder) {
        out += "</td> <td>-</td></tr>\n"; // as Apache's, or lftp takes no date either
        return;
    }
    if (!entry.known) {
        out += "</td> <td></td></tr>\n";
        return;
    }
    out += "</td> <td title=\"";
    append_counted(out, entry.size, "byte", "bytes");
    out += "\">";
    append_human_size(out, entry.size);
    out += "</td></tr>\n";
}

void append_footer(std::string& out, const Listing& listing, bool archives) {
    std::size_t folders = 0;
    std::uint64_t bytes = 0;
    for (const ListedEntry& entry : listing.entries) {
        folders += entry.folder ? 1 : 0;
        bytes += entry.size;
    }
    const std::size_t files = listing.entries.size() - folders;
    out += "<footer><span>";
    if (folders > 0) append_counted(out, folders, "folder", "folders");
    if (folders > 0 && files > 0) out += ", ";
    if (files > 0 || folders == 0) append_counted(out, files, "file", "files");
    if (files > 0) {
        out += ", <span title=\"";
        append_counted(out, bytes, "byte", "bytes");
        out += "\">";
        append_human_size(out, bytes);
        out += "</span>";
    }
    out += "</span>";
    // Buttons, as all that is no entry.
    if (archives)
        out += "<form>Download as <button name=\"archive\" value=\"zip\">zip</button> "
               "<button name=\"archive\" value=\"tar\">tar</button></form>";
    out += "<span>Times are UTC</span><form><button name=\"format\" "
           "value=\"json\">JSON</button></form><span>fsrv</span></footer>\n";
}

} // namespace

std::optional<http::Body> listing_html(const Listing& listing, std::string_view path,
                                       ListingOrder order, bool archives,
                                       const std::shared_ptr<ByteBudget>& budget) {
    using Key = ListingOrder::Key;
    PiecedText pieces(budget);
    std::string& out = pieces.text();
    out += http::page_start(path.empty() ? "/" : fmt::format("/{}/", path));
    append_heading(out, path);
    if (listing.truncated) {
        out += "<p class=\"note\" role=\"note\">This folder is too big to show whole: only ";
        append_grouped(out, listing.entries.size());
        out += " entries are listed.</p>\n";
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
    append_footer(out, listing, archives);
    out += http::page_end();
    return std::move(pieces).finish();
}

} // namespace fsrv::content
