#include "worker/content/store.h"

#include "worker/content/disposition.h"
#include "worker/content/errno_status.h"
#include "worker/content/gaining.h"
#include "worker/content/listing.h"
#include "worker/content/open_file.h"
#include "worker/http/accept.h"
#include "worker/http/conditions.h"
#include "worker/http/page.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>

namespace fsrv::content {
namespace {

using http::Miss;

// A Miss holds a string, so it is no constant of its own.
struct Reason {
    int status;
    std::string_view what;
};
constexpr Reason kNoSuchFile{404, "no such file"};
constexpr Reason kNotAFile{403, "not a regular file"};
constexpr Reason kFolder{403, "a folder, not a file"};
constexpr Reason kNoListing{403, "this folder is not listed"};
constexpr Reason kNoArchive{403, "folders are not sent as archives here"};
constexpr Reason kNotAFolder{404, "only folders are sent as archives"};

auto miss(Reason reason) {
    return unexpected(Miss{.status = reason.status, .what = reason.what});
}

auto busy_miss() {
    return unexpected(
        Miss{.status = 503, .what = "too many folders are being listed", .listings_full = true});
}

std::string_view last_segment(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string join(const std::string& folder, std::string_view name) {
    return folder.empty() ? std::string(name) : fmt::format("{}/{}", folder, name);
}

// The query as it came, but for what has no place in an address.
std::string clean_query(std::string_view query) {
    constexpr std::string_view kNeverRaw = "\"<>^{}|\\`"; // though a request may have them so
    std::string out;
    for (const char c : query) {
        if (c > 0x20 && c < 0x7F && kNeverRaw.find(c) == std::string_view::npos) {
            out += c;
        } else {
            fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

// Relative to what was asked for, so that it holds behind a proxy that serves the tree under a
// prefix. A segment is never empty and its colons are encoded, so this is never another host or
// scheme.
std::string folder_location(std::string_view path, std::string_view query) {
    std::string location = http::encode_segment(last_segment(path)) + "/";
    if (!query.empty()) location.append("?").append(clean_query(query));
    return location;
}

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

LocalStore::LocalStore(StoreConfig config, MimeTypes mime)
    : config_(std::move(config)),
      mime_(std::move(mime)),
      resolver_(config_.root_fd, config_.root_path, config_.symlinks, config_.form, config_.hidden),
      listing_bytes_(std::make_shared<ByteBudget>(config_.max_listing_bytes)),
      kept_listings_(std::make_unique<ListingCache>(limits::kKeptListingBytes)),
      archives_(std::make_unique<ArchiveMaker>(
          resolver_, ArchiveMaker::Config{.hidden = config_.hidden,
                                          .writes = config_.in_place_writes,
                                          .bounds = {.bytes = config_.archive_limit,
                                                     .entries = config_.max_archive_entries},
                                          .list_bytes = config_.max_archive_list_bytes})) {}

http::FindResult LocalStore::find(const http::Target& target, const Ask& ask, Reach& reach) const {
    const bool api = target.kind == http::Target::Kind::api;
    std::string path = target.path;
    if (target.absolute) {
        auto below = below_root(path, config_.root_path);
        if (!below && !config_.root_name.empty()) below = below_root(path, config_.root_name);
        if (!below) return miss(kNoSuchFile);
        path = *below;
    }
    if (!config_.hidden && http::has_hidden_segment(path)) return miss(kNoSuchFile);

    auto entry = resolver_.open(path, reach);
    if (!entry) return unexpected(miss_of(entry.error()));
    switch (entry->kind) {
    case EntryKind::special: return miss(kNotAFile);
    case EntryKind::folder:
        if (api) return miss(kFolder);
        return find_folder(target, path, *entry, ask, reach);
    case EntryKind::file: break;
    }
    if (target.wants_folder) return miss(kNoSuchFile);
    if (target.archive != http::ArchiveForm::none) return miss(kNotAFolder);
    http::Resource resource = file_resource(*std::move(entry), std::move(path), reach);
    if (api) resource.content_disposition = attachment(last_segment(resource.path));
    return resource;
}

http::FindResult LocalStore::find_folder(const http::Target& target, const std::string& path,
                                         const Entry& folder, const Ask& ask, Reach& reach) const {
    if (!target.wants_folder && !path.empty()) {
        return unexpected(Miss{
            .status = 301, .location = folder_location(path, target.query), .what = "a folder"});
    }
    if (target.archive != http::ArchiveForm::none) return find_archive(target, path, ask, reach);
    if (!config_.index.empty()) {
        std::string index_path = join(path, config_.index);
        auto index = resolver_.open(index_path, reach);
        if (index && index->kind == EntryKind::file)
            return file_resource(*std::move(index), std::move(index_path), reach);
        if (index) return miss(kNotAFile);
        if (index.error().code != ENOENT) return unexpected(miss_of(index.error()));
    }
    if (reach.in_memory) { // the rest takes long
        reach.want_thread();
        return miss(kNoListing);
    }
    if (!config_.index.empty()) {
        // A link that leads nowhere is no missing index: its owner meant something else to be seen
        // than a listing.
        struct stat link {};
        if (::fstatat(folder.fd.get(), config_.index.c_str(), &link, AT_SYMLINK_NOFOLLOW) == 0)
            return miss(kNoSuchFile);
        if (errno != ENOENT) return unexpected(miss_of(Errno::last()));
    }
    if (!config_.listing) return miss(kNoListing);
    return make_listing(target, path, folder, ask, reach);
}

// What a folder has is told by a listing too, and to nobody who may not have one.
http::FindResult LocalStore::find_archive(const http::Target& target, const std::string& path,
                                          const Ask& ask, Reach& reach) const {
    if (!config_.listing) return miss(kNoListing);
    if (!archives_->makes_any()) return miss(kNoArchive);
    if (reach.in_memory) {
        reach.want_thread();
        return busy_miss();
    }
    if (!ask.may_list) {
        reach.wants_listing = true;
        return busy_miss();
    }
    return archives_->make(path, target.archive, ask.cancelled, reach);
}

http::FindResult LocalStore::make_listing(const http::Target& target, const std::string& path,
                                          const Entry& folder, const Ask& ask, Reach& reach) const {
    const bool json = target.format_json || http::prefers_json_listing(ask.accept);
    http::Resource resource{.content_type = json ? "application/json; charset=utf-8"
                                                 : "text/html; charset=utf-8",
                            .extra_fields = "Vary: Accept\r\nCache-Control: no-cache\r\n"};
    if (!json) {
        fmt::format_to(std::back_inserter(resource.extra_fields), "Content-Security-Policy: {}\r\n",
                       http::page_security_policy(http::Forms::own));
    }
    const ListingCache::Key key =
        listing_key(path, folder, parse_listing_order(target.query), json);
    const bool settled = has_settled(key, wall_now());
    if (settled) {
        if (auto kept = kept_listings_->find(key, monotonic_ms())) {
            resource.body = *std::move(kept);
            return resource;
        }
    }
    if (ask.head) {
        // As far as it costs nothing the status is what GET would get.
        const auto readable = open_folder(folder.fd.get());
        if (!readable) return unexpected(miss_of(readable.error()));
        resource.body_made = false;
        return resource;
    }
    if (!ask.may_list) {
        reach.wants_listing = true;
        return busy_miss();
    }
    auto body = list(key, settled, folder, ask, reach);
    if (!body && body.error().code == ENOMEM) {
        kept_listings_->clear(); // what was kept for others may be what is missing
        body = list(key, settled, folder, ask, reach);
    }
    if (!body && body.error().code == ENOMEM) return busy_miss();
    if (!body) return unexpected(miss_of(body.error()));
    resource.body = *std::move(body);
    return resource;
}

Result<http::Body, Errno> LocalStore::list(const ListingCache::Key& key, bool keep,
                                           const Entry& folder, const Ask& ask,
                                           Reach& reach) const {
    const ListingRules rules{.hidden = config_.hidden,
                             .max_entries = config_.max_listing_entries,
                             .cancelled = ask.cancelled};
    Reservation memory(listing_bytes_);
    auto listing = read_listing(folder.fd.get(), key.path, resolver_, rules, reach, memory);
    if (!listing) return unexpected(listing.error());
    sort_listing(*listing, key.order);
    auto body = key.json ? listing_json(*listing, key.path, listing_bytes_)
                         : listing_html(*listing, key.path, key.order, archives_->makes_any(),
                                        listing_bytes_);
    if (!body) return unexpected(Errno{ENOMEM});
    if (keep && listing->entries.size() >= limits::kKeptListingEntries)
        kept_listings_->keep(key, *body, monotonic_ms());
    return *std::move(body);
}

http::Resource LocalStore::file_resource(Entry entry, std::string path, const Reach& reach) const {
    const std::uint64_t charged = reach.anywhere ? entry.status.st_dev : reach.device;
    auto file = open_file_of(std::move(entry), charged, config_.in_place_writes);
    const http::Validators validators = http::make_validators(
        {.size = file->size, .mtime = file->mtime, .ctime = file->ctime, .inode = file->inode},
        wall_now());
    std::string content_type(mime_.of(last_segment(path)));
    const bool negotiated = config_.compress && gains_by_coding(content_type);
    return {.body = http::Body::of(std::move(file)),
            .negotiated = negotiated,
            .content_type = std::move(content_type),
            .validators = validators,
            .path = std::move(path)};
}

} // namespace fsrv::content
