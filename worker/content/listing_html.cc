#include "worker/content/listing.h"

#include "common/escape.h"
#include "common/limits.h"
#include "common/number_text.h"
#include "worker/content/listing_text.h"
#include "worker/http/page.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <vector>

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

void append_hidden(std::string& out, const std::vector<ListingField>& fields) {
    for (const ListingField& field : fields)
        fmt::format_to(std::back_inserter(out), "<input type=\"hidden\" value=\"{}\" name=\"{}\">",
                       http::escape_html(field.value), field.name);
}

// A column's head: a button that sorts by it, and turns the order when it already does. No link:
// programs that fetch whole trees would follow it, and have each folder in every order.
void append_column(std::string& out, std::string_view label, ListingOrder::Key key,
                   std::string_view word, const ListingQuery& query) {
    const ListingOrder order = query.order;
    const bool current = order.key == key;
    const bool descending = current ? !order.descending : key != ListingOrder::Key::name;
    const std::string_view sorted = !current           ? ""
                                    : order.descending ? " aria-sort=\"descending\""
                                                       : " aria-sort=\"ascending\"";
    fmt::format_to(std::back_inserter(out),
                   "<th scope=\"col\"{}><form><input type=\"hidden\" name=\"sort\" value=\"{}\">",
                   sorted, word);
    std::vector<ListingField> kept = kept_fields(query);
    std::erase_if(kept,
                  [](const auto& field) { return field.name == "sort" || field.name == "order"; });
    append_hidden(out, kept);
    fmt::format_to(std::back_inserter(out),
                   "<button name=\"order\" value=\"{}\">{}</button></form></th>",
                   descending ? "desc" : "asc", label);
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

bool is_whole(const Listing& listing) {
    return !listing.more_before && !listing.more_after;
}

struct Sums {
    std::size_t folders = 0;
    std::size_t files = 0;
    std::uint64_t bytes = 0;
};

Sums sums_of(const Listing& listing) {
    Sums sums;
    for (const ListedEntry& entry : listing.entries) {
        ++(entry.folder ? sums.folders : sums.files);
        sums.bytes += entry.size;
    }
    return sums;
}

void append_sum(std::string& out, std::uint64_t bytes) {
    out += "<span title=\"";
    append_counted(out, bytes, "byte", "bytes");
    out += "\">";
    append_human_size(out, bytes);
    out += "</span>";
}

// What one can do with the folder. An archive has as many bytes as are listed here only where all
// of it is, and no folder in it.
void append_tools(std::string& out, const Listing& listing, const ListingFacts& facts) {
    const Sums sums = sums_of(listing);
    const std::string& filter = facts.query.filter;
    out += "<div class=\"tools\">";
    if (!listing.entries.empty() || !filter.empty()) {
        out += "<form class=\"find\" role=\"search\">";
        append_hidden(out, kept_fields(facts.query, "q"));
        fmt::format_to(std::back_inserter(out),
                       "<input type=\"search\" name=\"q\" value=\"{}\" "
                       "placeholder=\"Filter names\" aria-label=\"Filter names\" "
                       "aria-keyshortcuts=\"/\" autocomplete=\"off\" spellcheck=\"false\">"
                       "<button>Filter</button></form>",
                       http::escape_html(filter));
    }
    if (facts.archives) {
        out += filter.empty() ? "<form>Download as " : "<form>Download all as ";
        out += "<button name=\"archive\" value=\"zip\">zip</button> "
               "<button name=\"archive\" value=\"tar\">tar</button>";
        if (is_whole(listing) && filter.empty() && sums.folders == 0 && sums.files > 0) {
            out += " (";
            append_sum(out, sums.bytes);
            out += ")";
        }
        out += "</form>";
    }
    if (facts.digests && !listing.entries.empty())
        out += "<form>Checksums: <button name=\"digests\" value=\"sha256\">SHA-256</button></form>";
    if (facts.for_people) out += "<button type=\"button\" id=\"copy\" hidden>Copy link</button>";
    out += "</div>\n";
}

void append_note(std::string& out, const Listing& listing, const ListingFacts& facts) {
    if (facts.cut && listing.more_after) {
        out += "<p class=\"note\" role=\"note\">This folder is too big to show whole: only ";
        append_grouped(out, listing.entries.size());
        out += " entries are listed.</p>\n";
    }
    if (facts.query.filter.empty()) return;
    std::vector<ListingField> kept = kept_fields(facts.query, "q");
    out += "<form class=\"note\">Only names with \"<b>";
    append_shown(out, facts.query.filter);
    out += "</b>\" in them. ";
    append_hidden(out, kept);
    out += "<button>Show all</button></form>\n";
}

// The next page is a link, for programs too, which would miss the rest; the ones before are not,
// as programs have been there.
void append_pages(std::string& out, const Listing& listing, const ListingFacts& facts) {
    if (is_whole(listing)) return;
    const ListingQuery& query = facts.query;
    const bool empty = listing.entries.empty();
    out += "<nav class=\"pages\" aria-label=\"Pages\">";
    if (listing.more_before || empty) {
        out += "<form>";
        append_hidden(out, kept_fields(query));
        out += "<button>First</button></form>";
    }
    if (listing.more_before && !empty) {
        out += "<form>";
        append_hidden(out, kept_fields(query));
        append_hidden(out, place_fields(query.order, Beside::before, listing.entries.front()));
        out += "<button class=\"prev\">Previous</button></form>";
    }
    if (listing.more_after && !empty) {
        fmt::format_to(
            std::back_inserter(out), "<a rel=\"next\" href=\"{}\">Next</a>",
            http::escape_html(listing_link(query, Beside::after, listing.entries.back())));
    }
    out += "</nav>\n";
}

void append_footer(std::string& out, const Listing& listing, const ListingFacts& facts) {
    const Sums sums = sums_of(listing);
    out += "<footer><span>";
    if (is_whole(listing)) {
        if (sums.folders > 0) append_counted(out, sums.folders, "folder", "folders");
        if (sums.folders > 0 && sums.files > 0) out += ", ";
        if (sums.files > 0 || sums.folders == 0) append_counted(out, sums.files, "file", "files");
        if (sums.files > 0) {
            out += ", ";
            append_sum(out, sums.bytes);
        }
    } else {
        append_counted(out, listing.entries.size(), "entry", "entries");
        out += " on this page";
    }
    out += "</span><span>Times are UTC</span><form>";
    append_hidden(out, kept_fields(facts.query));
    out += "<button name=\"format\" "
           "value=\"json\">JSON</button></form>";
    if (!facts.asker.empty()) {
        out += "<span>Logged in as <b>";
        append_shown(out, facts.asker);
        out += "</b></span>";
    }
    out += "<span>fsrv</span></footer>\n";
}

} // namespace

std::optional<http::Body> listing_html(const Listing& listing, const ListingFacts& facts,
                                       const std::shared_ptr<ByteBudget>& budget) {
    using Key = ListingOrder::Key;
    const ListingQuery& query = facts.query;
    const std::string_view path = facts.path;
    PiecedText pieces(budget);
    std::string& out = pieces.text();
    out += http::page_start(path.empty() ? "/" : fmt::format("/{}/", path));
    append_heading(out, path);
    append_tools(out, listing, facts);
    append_note(out, listing, facts);
    // What the page has of the folder can be filtered there.
    const bool has_all = is_whole(listing) && query.filter.empty();
    out += has_all ? "<table class=\"whole\">\n<thead><tr>" : "<table>\n<thead><tr>";
    append_column(out, "Name", Key::name, "name", query);
    append_column(out, "Modified", Key::time, "time", query);
    append_column(out, "Size", Key::size, "size", query);
    out += "</tr></thead>\n<tbody>\n";
    if (!path.empty())
        out += "<tr><td><a href=\"../\">Parent folder</a></td><td></td><td></td></tr>\n";
    for (const ListedEntry& entry : listing.entries) {
        append_row(out, entry, path);
        if (!pieces.settle()) return std::nullopt;
    }
    out += "</tbody>\n</table>\n";
    if (listing.entries.empty()) {
        out += !query.filter.empty() ? "<p class=\"none\">No such name is here.</p>\n"
               : listing.more_before || listing.more_after
                   ? "<p class=\"none\">There is nothing there.</p>\n"
                   : "<p class=\"none\">This folder is empty.</p>\n";
    }
    append_pages(out, listing, facts);
    append_footer(out, listing, facts);
    if (facts.for_people) out.append("<script>").append(listing_script()).append("</script>\n");
    out += http::page_end();
    return std::move(pieces).finish();
}

} // namespace fsrv::content
