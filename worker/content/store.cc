#include "worker/content/store.h"

#include "worker/content/disposition.h"
#include "worker/content/errno_status.h"
#include "worker/content/gaining.h"
#include "worker/content/open_file.h"
#include "worker/http/conditions.h"

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

constexpr std::string_view kNotForYou = "this is not for everybody";

auto miss(Reason reason) {
    return unexpected(Miss{.status = reason.status, .what = reason.what});
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

ServedRule rule_of(const StoreConfig& config) {
    ServedRule rule;
    rule.settings.index = config.index;
    rule.settings.listing = config.listing;
    rule.settings.hidden = config.hidden;
    rule.settings.compress = config.compress;
    rule.settings.symlinks = config.symlinks;
    return rule;
}

std::size_t resolver_index(const PathSettings& settings) {
    return 2 * static_cast<std::size_t>(settings.symlinks) + (settings.hidden ? 1 : 0);
}

std::vector<std::unique_ptr<Resolver>> make_resolvers(const StoreConfig& config) {
    std::vector<std::unique_ptr<Resolver>> resolvers;
    const auto add = [&](Symlinks symlinks, bool hidden) {
        resolvers.push_back(std::make_unique<Resolver>(config.root_fd, config.root_path, symlinks,
                                                       config.form, hidden, config.has_policy));
    };
    if (!config.has_policy) {
        add(config.symlinks, config.hidden);
        return resolvers;
    }
    for (const Symlinks symlinks : {Symlinks::inside, Symlinks::never, Symlinks::follow})
        for (const bool hidden : {false, true}) add(symlinks, hidden); // as resolver_index()
    return resolvers;
}

// Somebody else may get another listing of the folder.
bool is_of_asker(const std::string& path, const Entry& folder, const ServedRule& rule,
                 const Ask& ask) {
    if (!ask.policy) return false;
    return !rule.open || ask.policy->differs_below(path) ||
           (folder.led_to && (!ask.policy->rule_of(*folder.led_to).open ||
                              ask.policy->differs_below(*folder.led_to)));
}

} // namespace

LocalStore::LocalStore(StoreConfig config, MimeTypes mime)
    : config_(std::move(config)),
      mime_(std::move(mime)),
      own_rule_(rule_of(config_)),
      resolvers_(make_resolvers(config_)),
      resolver_(resolver(own_rule_.settings)),
      listings_(std::make_unique<ListingMaker>(ListingMaker::Config{
          .max_entries = config_.max_listing_entries, .max_bytes = config_.max_listing_bytes})),
      archives_(std::make_unique<ArchiveMaker>(ArchiveMaker::Config{
          .writes = config_.in_place_writes,
          .bounds = {.bytes = config_.archive_limit, .entries = config_.max_archive_entries},
          .list_bytes = config_.max_archive_list_bytes})) {}

const Resolver& LocalStore::resolver(const PathSettings& settings) const {
    return config_.has_policy ? *resolvers_[resolver_index(settings)] : *resolvers_.front();
}

LocalStore::Look LocalStore::look(const std::string& path, const Ask& ask, Reach& reach) const {
    const ServedRule& rule = ask.policy ? ask.policy->rule_of(path) : own_rule_;
    return {.path = path,
            .ask = ask,
            .rule = rule,
            .resolver = resolver(rule.settings),
            .reach = reach};
}

Sight LocalStore::sight(const Look& asked, const Entry& folder) {
    return {
        .hidden = asked.rule.settings.hidden, .policy = asked.ask.policy, .led_to = folder.led_to};
}

std::optional<std::string> LocalStore::path_of(const http::Target& target) const {
    if (!target.absolute) return target.path;
    auto below = below_root(target.path, config_.root_path);
    if (!below && !config_.root_name.empty()) below = below_root(target.path, config_.root_name);
    if (!below) return std::nullopt;
    return std::string(*below);
}

http::FindResult LocalStore::find(const http::Target& target, const Ask& ask, Reach& reach) const {
    const bool api = target.kind == http::Target::Kind::api;
    const auto path = path_of(target);
    if (!path) return miss(kNoSuchFile);
    const Look asked = look(*path, ask, reach);
    if (!asked.rule.settings.hidden && http::has_hidden_segment(*path)) return miss(kNoSuchFile);

    auto entry = open(asked);
    if (!entry) return unexpected(std::move(entry.error()));
    switch (entry->kind) {
    case EntryKind::special: return miss(kNotAFile);
    case EntryKind::folder:
        if (api) return miss(kFolder);
        return find_folder(target, *entry, asked);
    case EntryKind::file: break;
    }
    if (target.wants_folder) return miss(kNoSuchFile);
    if (target.archive != http::ArchiveForm::none) return miss(kNotAFolder);
    http::Resource resource = file_resource(*std::move(entry), asked, asked.rule);
    if (api) resource.content_disposition = attachment(last_segment(resource.path));
    return resource;
}

// Who may have the path may not for that have what a link there leads to.
Result<Entry, Miss> LocalStore::open(const Look& look) const {
    auto entry = look.resolver.open(look.path, look.reach);
    if (!entry) return unexpected(miss_of(entry.error()));
    if (look.ask.policy && entry->led_to) {
        if (const int status = look.ask.policy->refusal_of(*entry->led_to); status != 0)
            return miss({status, kNotForYou});
    }
    return *std::move(entry);
}

http::FindResult LocalStore::find_folder(const http::Target& target, const Entry& folder,
                                         const Look& asked) const {
    const std::string& path = asked.path;
    const PathSettings& settings = asked.rule.settings;
    if (!target.wants_folder && !path.empty()) {
        return unexpected(Miss{
            .status = 301, .location = folder_location(path, target.query), .what = "a folder"});
    }
    if (target.archive != http::ArchiveForm::none) return find_archive(target, folder, asked);
    if (!settings.index.empty()) {
        const std::string index_path = join(path, settings.index);
        const Look at = look(index_path, asked.ask, asked.reach);
        const int refused = asked.ask.policy ? asked.ask.policy->refusal_of(index_path) : 0;
        auto index = open(at);
        if (refused != 0 && (index || index.error().status != 404))
            return miss({refused, kNotForYou});
        if (index && index->kind == EntryKind::file)
            return file_resource(*std::move(index), at, asked.rule);
        if (index) return miss(kNotAFile);
        if (index.error().status != 404) return unexpected(std::move(index.error()));
    }
    if (asked.reach.in_memory) { // the rest takes long
        asked.reach.want_thread();
        return miss(kNoListing);
    }
    if (!settings.index.empty()) {
        // A link that leads nowhere is no missing index: its owner meant something else to be seen
        // than a listing.
        struct stat link {};
        if (::fstatat(folder.fd.get(), settings.index.c_str(), &link, AT_SYMLINK_NOFOLLOW) == 0)
            return miss(kNoSuchFile);
        if (errno != ENOENT) return unexpected(miss_of(Errno::last()));
    }
    if (!settings.listing) return miss(kNoListing);
    return listings_->make(target,
                           {.path = path,
                            .folder = folder,
                            .resolver = asked.resolver,
                            .sight = sight(asked, folder),
                            .is_of_asker = is_of_asker(path, folder, asked.rule, asked.ask),
                            .archives = archives_->makes_any() && settings.archive,
                            .rule_fields = asked.rule.headers,
                            .accept = asked.ask.accept,
                            .head = asked.ask.head,
                            .may_list = asked.ask.may_list,
                            .cancelled = asked.ask.cancelled},
                           asked.reach);
}

// What a folder has is told by a listing too, and to nobody who may not have one.
http::FindResult LocalStore::find_archive(const http::Target& target, const Entry& folder,
                                          const Look& asked) const {
    if (!asked.rule.settings.listing) return miss(kNoListing);
    if (!archives_->makes_any() || !asked.rule.settings.archive) return miss(kNoArchive);
    if (asked.reach.in_memory) {
        asked.reach.want_thread();
        return unexpected(listings_full());
    }
    if (!asked.ask.may_list) {
        asked.reach.wants_listing = true;
        return unexpected(listings_full());
    }
    auto archive = archives_->make(asked.path, target.archive,
                                   {.resolver = asked.resolver,
                                    .sight = sight(asked, folder),
                                    .index = asked.rule.settings.index,
                                    .cancelled = asked.ask.cancelled},
                                   asked.reach);
    if (archive) {
        archive->rule_fields =
            is_of_asker(asked.path, folder, asked.rule, asked.ask)
                ? "Cache-Control: private, no-cache\r\nVary: Authorization\r\n" + asked.rule.headers
                : asked.rule.cache_fields + asked.rule.headers;
    }
    return archive;
}

http::Resource LocalStore::file_resource(Entry entry, const Look& asked,
                                         const ServedRule& of_target) const {
    // One rule decides, which is asked before any cache.
    const bool one_rule =
        &asked.rule == &of_target && (!entry.led_to || !asked.ask.policy ||
                                      &asked.ask.policy->rule_of(*entry.led_to) == &of_target);
    const PathSettings& settings = asked.rule.settings;
    const std::string_view name = last_segment(asked.path);
    const std::uint64_t charged = asked.reach.anywhere ? entry.status.st_dev : asked.reach.device;
    auto file = open_file_of(std::move(entry), charged, config_.in_place_writes);
    const http::Validators validators = http::make_validators(
        {.size = file->size, .mtime = file->mtime, .ctime = file->ctime, .inode = file->inode},
        wall_now());
    std::string content_type(mime_.of(name, settings.types));
    const bool negotiated = settings.compress && gains_by_coding(content_type);
    http::Resource resource{.body = http::Body::of(std::move(file)),
                            .negotiated = negotiated,
                            .content_type = std::move(content_type),
                            .validators = validators,
                            .may_be_kept = one_rule,
                            .path = asked.path,
                            .rule_fields = asked.rule.cache_fields + asked.rule.headers};
    if (settings.disposition == Disposition::attachment)
        resource.content_disposition = attachment(name);
    return resource;
}

} // namespace fsrv::content
