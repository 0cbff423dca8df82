#include "worker/content/listing_maker.h"

#include "common/limits.h"
#include "worker/content/errno_status.h"
#include "worker/http/accept.h"
#include "worker/http/page.h"

#include <cerrno>
#include <fmt/format.h>

namespace fsrv::content {
namespace {

ListingCache::Key listing_key(const std::string& path, const Entry& folder, ListingOrder order,
                              bool json) {
    const struct stat& status = folder.status;
    return {.device = status.st_dev,
            .inode = status.st_ino,
            .mtime = {status.st_mtim.tv_sec, status.st_mtim.tv_nsec},
            .ctime = {status.st_ctim.tv_sec, status.st_ctim.tv_nsec},
            .path = path,
            .order = order,
            .json = json};
}

// From now on each name that comes or goes moves the folder's times.
bool has_settled(const ListingCache::Key& key, FileTime now) {
    if (key.ctime.seconds < now.seconds - 1) return true;
    if (key.ctime.seconds > now.seconds) return false; // a clock was set
    const std::int64_t seconds = now.seconds - key.ctime.seconds;
    return seconds * 1'000'000'000 + now.nanoseconds - key.ctime.nanoseconds >
           limits::kFolderTickNs;
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
    const bool json = target.format_json || http::prefers_json_listing(look.accept);
    http::Resource resource{
        .content_type = json ? "application/json; charset=utf-8" : "text/html; charset=utf-8",
        .extra_fields = look.is_of_asker ? "Vary: Accept, Authorization\r\n"
                                           "Cache-Control: private, no-cache\r\n"
                                         : "Vary: Accept\r\nCache-Control: no-cache\r\n"};
    if (!json) {
        fmt::format_to(std::back_inserter(resource.extra_fields), "Content-Security-Policy: {}\r\n",
                       http::page_security_policy(http::Forms::own));
    }
    resource.rule_fields = look.rule_fields;
    const ListingCache::Key key =
        listing_key(look.path, look.folder, parse_listing_order(target.query), json);
    const bool kept = !look.is_of_asker && has_settled(key, wall_now());
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
    auto body = list(key, kept, look, reach);
    if (!body && body.error().code == ENOMEM) {
        kept_.clear(); // what was kept for others may be what is missing
        body = list(key, kept, look, reach);
    }
    if (!body && body.error().code == ENOMEM) return unexpected(listings_full());
    if (!body) return unexpected(miss_of(body.error()));
    resource.body = *std::move(body);
    return resource;
}

Result<http::Body, Errno> ListingMaker::list(const ListingCache::Key& key, bool keep,
                                             const Look& look, Reach& reach) {
    const ListingRules rules{
        .sight = look.sight, .max_entries = config_.max_entries, .cancelled = look.cancelled};
    Reservation memory(bytes_);
    auto listing =
        read_listing(look.folder.fd.get(), key.path, look.resolver, rules, reach, memory);
    if (!listing) return unexpected(listing.error());
    sort_listing(*listing, key.order);
    auto body = key.json ? listing_json(*listing, key.path, bytes_)
                         : listing_html(*listing, key.path, key.order, look.archives, bytes_);
    if (!body) return unexpected(Errno{ENOMEM});
    if (keep && listing->entries.size() >= limits::kKeptListingEntries)
        kept_.keep(key, *body, monotonic_ms());
    return *std::move(body);
}

} // namespace fsrv::content
