#include "worker/content/listing_maker.h"

#include "common/limits.h"
#include "worker/content/errno_status.h"
#include "worker/content/listing_stream.h"
#include "worker/http/accept.h"
#include "worker/http/page.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

namespace fsrv::content {
namespace {

std::string_view type_of(ListingQuery::Form form) {
    switch (form) {
    case ListingQuery::Form::json: return "application/json; charset=utf-8";
    case ListingQuery::Form::ndjson: return "application/x-ndjson; charset=utf-8";
    default: return "text/html; charset=utf-8";
    }
}

http::Miss bad_query(std::string_view what) {
    return {.status = 400, .what = what};
}

// In a browser. Programs that mount or mirror a folder ask for anything.
bool is_for_people(const ListingQuery& query, std::string_view accept) {
    return query.form == ListingQuery::Form::html &&
           http::error_form(accept) == http::BodyForm::html;
}

// Of what is no name and no number the bytes are in a form that has one spelling.
std::string part_of(const ListingQuery& query, bool for_people) {
    std::string part = for_people ? "p" : "";
    for (const auto& [mark, place] : {std::pair('a', &query.after), {'b', &query.before}}) {
        if (!*place) continue;
        const FileTime mtime = (*place)->mtime.value_or(FileTime{});
        fmt::format_to(std::back_inserter(part), "{}{}/{}{}/{}/{}.{}/", mark, (*place)->name,
                       (*place)->folder, (*place)->size.value_or(0), (*place)->mtime.has_value(),
                       mtime.seconds, mtime.nanoseconds);
    }
    if (query.limit) fmt::format_to(std::back_inserter(part), "l{}/", *query.limit);
    if (!query.filter.empty()) part.append("q").append(query.filter);
    return part;
}

ListingCache::Key listing_key(const std::string& path, const Entry& folder,
                              const ListingQuery& query, bool for_people) {
    const struct stat& status = folder.status;
    return {.device = status.st_dev,
            .inode = status.st_ino,
            .mtime = {status.st_mtim.tv_sec, status.st_mtim.tv_nsec},
            .ctime = {status.st_ctim.tv_sec, status.st_ctim.tv_nsec},
            .path = path,
            .order = query.order,
            .json = query.form == ListingQuery::Form::json,
            .part = part_of(query, for_people)};
}

// From now on each name that comes or goes moves the folder's times.
bool has_settled(const ListingCache::Key& key, FileTime now) {
    if (key.ctime.seconds < now.seconds - 1) return true;
    if (key.ctime.seconds > now.seconds) return false; // a clock was set
    const std::int64_t seconds = now.seconds - key.ctime.seconds;
    return seconds * 1'000'000'000 + now.nanoseconds - key.ctime.nanoseconds >
           limits::kFolderTickNs;
}

// Nobody else gets that one: by what is in it, or as it says who asks.
bool is_own_of_asker(const ListingQuery& query, const ListingMaker::Look& look) {
    return look.is_of_asker || (query.form == ListingQuery::Form::html && look.sight.policy &&
                                !look.sight.policy->asker().empty());
}

} // namespace

http::Miss listings_full() {
    return {.status = 503, .what = "too many folders are being listed", .listings_full = true};
}

ListingMaker::ListingMaker(const Config& config)
    : config_(config),
      bytes_(std::make_shared<ByteBudget>(config.max_bytes)),
      kept_(limits::kKeptListingBytes) {}

http::FindResult ListingMaker::make(const http::Target& target, const Look& look, Reach& reach) {
    const auto query = parse_listing_query(target.query, http::prefers_json_listing(look.accept));
    if (!query) return unexpected(bad_query(query.error()));
    const bool is_own = is_own_of_asker(*query, look);
    http::Resource resource{.content_type = std::string(type_of(query->form)),
                            .extra_fields = is_own ? "Vary: Accept, Authorization\r\n"
                                                     "Cache-Control: private, no-cache\r\n"
                                                   : "Vary: Accept\r\nCache-Control: no-cache\r\n",
                            .rule_fields = look.rule_fields};
    if (query->form == ListingQuery::Form::html) {
        fmt::format_to(std::back_inserter(resource.extra_fields), "Content-Security-Policy: {}\r\n",
                       is_for_people(*query, look.accept)
                           ? listing_page_policy()
                           : std::string(http::page_security_policy(http::Forms::own)));
    }
    return make_page(*query, look, std::move(resource), reach);
}

http::FindResult ListingMaker::make_page(const ListingQuery& query, const Look& look,
                                         http::Resource resource, Reach& reach) {
    const bool streams = query.form == ListingQuery::Form::ndjson;
    const ListingCache::Key key =
        listing_key(look.path, look.folder, query, is_for_people(query, look.accept));
    const bool kept = !streams && !is_own_of_asker(query, look) && has_settled(key, wall_now());
    if (kept) {
        if (auto found = kept_.find(key, monotonic_ms())) {
            resource.body = *std::move(found);
            return resource;
        }
    }
    if (look.head) {
        // As far as it costs nothing the status is what GET would get.
        const auto readable = open_folder(look.folder.fd.get());
        if (!readable) return unexpected(miss_of(readable.error()));
        resource.body_made = false;
        return resource;
    }
    if (!look.may_list) {
        reach.wants_listing = true;
        return unexpected(listings_full());
    }
    if (streams) return make_stream(query, look, std::move(resource), reach);
    const ListingCache::Key* const keep_as = kept ? &key : nullptr;
    auto body = list(query, keep_as, look, reach);
    if (!body && body.error().code == ENOMEM) {
        kept_.clear(); // what was kept for others may be what is missing
        body = list(query, keep_as, look, reach);
    }
    if (!body && body.error().code == ENOMEM) return unexpected(listings_full());
    if (!body && body.error().code == EDOM)
        return unexpected(bad_query("there is no such entry: at= says where it would be"));
    if (!body) return unexpected(miss_of(body.error()));
    resource.body = *std::move(body);
    return resource;
}

Result<http::Body, Errno> ListingMaker::list(const ListingQuery& query,
                                             const ListingCache::Key* keep_as, const Look& look,
                                             Reach& reach) {
    const bool for_people = is_for_people(query, look.accept);
    const std::size_t most =
        std::min(config_.max_entries,
                 for_people && !query.limit ? limits::kListingPageEntries : config_.max_entries);
    Reservation memory(bytes_);
    auto listing = read_listing(
        look.folder.fd.get(), look.path, look.resolver,
        {.sight = look.sight, .query = query, .limit = most, .cancelled = look.cancelled}, reach,
        memory);
    if (!listing) return unexpected(listing.error());
    const ListingFacts facts{.path = look.path,
                             .query = query,
                             .archives = look.archives,
                             .digests = look.digests,
                             .for_people = for_people,
                             .asker = look.sight.policy ? look.sight.policy->asker() : "",
                             .cut = !for_people && !query.limit};
    auto body = query.form == ListingQuery::Form::json ? listing_json(*listing, facts, bytes_)
                                                       : listing_html(*listing, facts, bytes_);
    if (!body) return unexpected(Errno{ENOMEM});
    if (keep_as && listing->seen >= limits::kKeptListingEntries)
        kept_.keep(*keep_as, *body, monotonic_ms());
    return *std::move(body);
}

http::FindResult ListingMaker::make_stream(const ListingQuery& query, const Look& look,
                                           http::Resource resource, const Reach& reach) {
    Reservation memory(bytes_);
    if (!memory.grow(limits::kListingStreamBytes)) return unexpected(listings_full());
    ListingStream::Ask ask{.folder_fd = look.folder.fd.get(),
                           .path = look.path,
                           .resolver = look.resolver,
                           .sight = look.sight,
                           .filter = query.filter,
                           .reach = reach};
    if (reach.anywhere) ask.reach.device = look.folder.status.st_dev;
    auto stream = ListingStream::open(ask, std::move(memory));
    if (!stream) return unexpected(miss_of(stream.error()));
    resource.body.segments.emplace_back(
        http::Stream{.producer = *std::move(stream), .file = {}, .charged = ask.reach.device});
    return resource;
}

} // namespace fsrv::content
