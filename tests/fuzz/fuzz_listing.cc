// Any bytes as the query of a folder, and as a name in it: what is taken is within its bounds, and
// a link beside an entry asks for the same listing, at exactly that entry. An archive is asked for
// by a known name or refused.
#include "tests/fuzz/fuzz.h"
#include "worker/content/letter_case.h"
#include "worker/content/listing_query.h"
#include "worker/http/target.h"

#include <string>

namespace {

using namespace fsrv;
using namespace fsrv::fuzz;
using namespace fsrv::content;

bool is_sound(const std::optional<ListingPlace>& place) {
    return !place || (!place->name.empty() && place->name.find('/') == std::string::npos &&
                      place->name.find('\0') == std::string::npos);
}

void try_link(const ListingQuery& query, const ListedEntry& entry, Beside beside) {
    const std::string link = listing_link(query, beside, entry);
    for (const char c : link)
        require(c > 0x20 && c < 0x7F && c != '"' && c != '<' && c != '>' && c != '#' && c != '\'',
                "a link that is none");
    const auto again = parse_listing_query(std::string_view(link).substr(1), false);
    require(again.has_value(), "a link that is refused");
    require(again->order == query.order && again->limit == query.limit &&
                again->filter == query.filter,
            "a link to another listing");
    const auto& place = beside == Beside::after ? again->after : again->before;
    require(place && place->name == entry.name && place->folder == entry.folder,
            "a link to another place");
    require(!place->size || *place->size == entry.size, "another size");
    require(!place->mtime || *place->mtime == entry.mtime, "another time");
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = text_of(data, size);
    const auto line = text.find('\n');
    const auto query_text = text.substr(0, line);
    std::string name(line == text.npos ? "x" : text.substr(line + 1));
    for (char& c : name)
        if (c == '/' || c == '\0') c = '_';
    if (name.empty()) name = "x";
    for (const bool json : {false, true}) {
        const auto query = parse_listing_query(query_text, json);
        if (!query) continue;
        require(!query->limit || *query->limit > 0, "a page of nothing");
        require(is_sound(query->after) && is_sound(query->before), "a place that nothing can have");
        require(!query->after || !query->before, "two places");
        if (query->form == ListingQuery::Form::ndjson) continue;
        for (const bool folder : {false, true})
            for (const Beside beside : {Beside::after, Beside::before})
                try_link(*query,
                         {.name = name, .size = size, .mtime = {-7, 123'456'789}, .folder = folder},
                         beside);
        static_cast<void>(NameFilter(query->filter).passes(name));
        require(NameFilter(name).passes(name), "a name that has not itself in it");
    }
    const std::string origin = "/folder/?" + std::string(query_text);
    if (origin.find('#') != origin.npos) return 0;
    const auto target = http::parse_target(origin);
    require(!target || target->archive == http::ArchiveForm::none ||
                origin.find('a') != origin.npos || origin.find('%') != origin.npos,
            "an archive that nobody asked for");
    return 0;
}
