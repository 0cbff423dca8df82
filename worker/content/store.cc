#include "worker/content/store.h"

#include "worker/content/disposition.h"
#include "worker/content/errno_status.h"
#include "worker/content/followed_file.h"
#include "worker/content/fs_identity.h"
#include "worker/content/gaining.h"
#include "worker/content/open_file.h"
#include "worker/content/world_rights.h"
#include "worker/http/conditions.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <tuple>

namespace fsrv::content {
namespace {

using http::Miss;

// A Miss holds a string, so it is no constant of its own.
struct Reason {
    int status;
    std::string_view what;
};
constexpr Reason kNoSuchFile{404, "no such file"};
constexpr Reason kNotReadable{403, "not readable"};
constexpr Reason kNoRights{503, "the rights of your account cannot be had"};
constexpr Reason kNotAFile{403, "not a regular file"};
constexpr Reason kFolder{403, "a folder, not a file"};
constexpr Reason kNoListing{403, "this folder is not listed"};
constexpr Reason kNoArchive{403, "folders are not sent as archives here"};
constexpr Reason kNotFollowed{403, "files are not followed with the rights of an account"};
constexpr Reason kNotAFileToFollow{404, "only files are followed"};
constexpr Reason kNoDigests{403, "digests are not told here"};
constexpr Reason kNoSumsOfAFile{404, "only folders have a list of digests"};
constexpr Reason kNoMetalinkOfAFolder{404, "only files have a metalink"};
constexpr Reason kNoHost{400, "no Host says where the file is"};
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
    rule.settings.precompressed = config.precompressed;
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

std::string coded_path(std::string_view path, http::Coding coding) {
    return fmt::format("{}.{}", path, http::suffix_of(coding));
}

bool is_coded(std::string_view path) {
    for (std::size_t i = 1; i < http::kCodings; ++i)
        if (path.ends_with(coded_path("", static_cast<http::Coding>(i)))) return true;
    return false;
}

// Names are told to those who may read the folder.
bool is_for_reading(const Entry& folder, const ServedRule& rule) {
    return rule.settings.permissions != Permissions::world || world_may_read(folder.status);
}

std::uint64_t charged_to(const Entry& entry, const Reach& reach) {
    return reach.anywhere ? entry.status.st_dev : reach.device;
}

// Somebody else may get another listing of the folder.
bool is_of_asker(const std::string& path, const Entry& folder, const ServedRule& rule,
                 const Ask& ask) {
    if (!ask.policy) return false;
    return !rule.open || ask.policy->differs_below(path) ||
           (folder.led_to && (!ask.policy->rule_of(*folder.led_to).open ||
                              ask.policy->differs_below(*folder.led_to)));
}

const std::string kForAskerAlone = "Cache-Control: private, no-cache\r\nVary: Authorization\r\n";

// Of what is made of files and has no version of its own.
std::string fields_of_made(bool is_own, const ServedRule& rule) {
    return (is_own ? kForAskerAlone : "Cache-Control: no-cache\r\n") + rule.headers;
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
          .list_bytes = config_.max_archive_list_bytes})),
      digests_(std::make_unique<DigestMaker>(
          DigestMaker::Config{.writes = config_.in_place_writes,
                              .entries = config_.max_archive_entries,
                              .list_bytes = config_.max_archive_list_bytes / 2})) {
    if (config_.has_policy) FsIdentity::remember_own();
}

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
    return {.hidden = asked.rule.settings.hidden,
            .policy = asked.ask.policy,
            .led_to = folder.led_to,
            .permissions = asked.rule.settings.permissions,
            .account = asked.account};
}

std::optional<std::string> LocalStore::path_of(const http::Target& target) const {
    if (!target.absolute) return target.path;
    auto below = below_root(target.path, config_.root_path);
    if (!below && !config_.root_name.empty()) below = below_root(target.path, config_.root_name);
    if (!below) return std::nullopt;
    return std::string(*below);
}

http::FindResult LocalStore::find(const http::Target& target, const Ask& ask, Reach& reach) const {
    const auto path = path_of(target);
    if (!path) return miss(kNoSuchFile);
    Look asked = look(*path, ask, reach);
    asked.follow = target.follow;
    if (!asked.rule.settings.hidden && http::has_hidden_segment(*path)) return miss(kNoSuchFile);
    if (asked.rule.settings.permissions == Permissions::worker) return find_as_asked(target, asked);
    if (reach.in_memory) { // this takes long
        reach.want_thread();
        return miss(kNotReadable);
    }
    if (asked.rule.settings.permissions == Permissions::user) {
        asked.account = ask.policy->account();
        if (asked.account == nullptr) return miss({403, kNotForYou});
        if (asked.follow) return miss(kNotFollowed);
    }
    const FsIdentity identity(asked.account);
    if (!identity.is_assumed()) return miss(kNoRights);
    return find_as_asked(target, asked);
}

http::FindResult LocalStore::find_as_asked(const http::Target& target, const Look& asked) const {
    const bool api = target.kind == http::Target::Kind::api;
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
    if (target.digests == http::DigestForm::sums) return miss(kNoSumsOfAFile);
    if (target.digests == http::DigestForm::metalink)
        return find_metalink(target, *std::move(entry), asked);
    http::FindResult found = find_file(*std::move(entry), asked, asked.rule);
    if (api && found) found->content_disposition = attachment(last_segment(found->path));
    return found;
}

// Who may have the path may not for that have what a link there leads to.
Result<Entry, Miss> LocalStore::open(const Look& look) const {
    auto entry = look.resolver.open(look.path, look.reach);
    if (!entry) return unexpected(miss_of(entry.error()));
    if (look.ask.policy)
        if (auto refused = judge(*entry, look)) return unexpected(*std::move(refused));
    return *std::move(entry);
}

// By the rule of what was asked for, and that of where links led.
std::optional<Miss> LocalStore::judge(const Entry& entry, const Look& look) const {
    const ServedRule* const real =
        entry.led_to ? &look.ask.policy->rule_of(*entry.led_to) : nullptr;
    const auto refused = [](int status) { return Miss{.status = status, .what = kNotForYou}; };
    if (entry.led_to)
        if (const int status = look.ask.policy->refusal_of(*entry.led_to); status != 0)
            return refused(status);
    const auto wants = [&](Permissions permissions) {
        return look.rule.settings.permissions == permissions ||
               (real && real->settings.permissions == permissions);
    };
    if (wants(Permissions::user) && !look.account) return refused(403);
    if (!wants(Permissions::world)) return std::nullopt;
    if (look.reach.in_memory) {
        look.reach.want_thread();
        return refused(403);
    }
    const auto allowed =
        check_world_rights(look.resolver, entry.led_to.value_or(look.path), entry, look.reach);
    if (!allowed) return miss_of(allowed.error());
    return std::nullopt;
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
    if (target.digests == http::DigestForm::sums) return find_sums(folder, asked);
    if (target.digests == http::DigestForm::metalink) return miss(kNoMetalinkOfAFolder);
    if (!settings.index.empty()) {
        const std::string index_path = join(path, settings.index);
        Look at = look(index_path, asked.ask, asked.reach);
        at.account = asked.account;
        at.follow = asked.follow;
        const int refused = asked.ask.policy ? asked.ask.policy->refusal_of(index_path) : 0;
        auto index = open(at);
        if (refused != 0 && (index || index.error().status != 404))
            return miss({refused, kNotForYou});
        if (index && index->kind == EntryKind::file)
            return find_file(*std::move(index), at, asked.rule);
        if (index) return miss(kNotAFile);
        if (index.error().status != 404) return unexpected(std::move(index.error()));
    }
    if (asked.follow) return miss(kNotAFileToFollow);
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
    if (!is_for_reading(folder, asked.rule)) return miss(kNotReadable);
    return listings_->make(target,
                           {.path = path,
                            .folder = folder,
                            .resolver = asked.resolver,
                            .sight = sight(asked, folder),
                            .is_of_asker = is_of_asker(path, folder, asked.rule, asked.ask),
                            .archives = archives_->makes_any() && settings.archive,
                            .digests = settings.digests,
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
    if (!is_for_reading(folder, asked.rule)) return miss(kNotReadable);
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
    if (archive)
        archive->rule_fields = is_of_asker(asked.path, folder, asked.rule, asked.ask)
                                   ? kForAskerAlone + asked.rule.headers
                                   : asked.rule.cache_fields + asked.rule.headers;
    return archive;
}

// As an archive: who may not have a listing is not told what there is.
http::FindResult LocalStore::find_sums(const Entry& folder, const Look& asked) const {
    const Ask& ask = asked.ask;
    const PathSettings& settings = asked.rule.settings;
    if (!settings.listing) return miss(kNoListing);
    if (!is_for_reading(folder, asked.rule)) return miss(kNotReadable);
    if (!settings.digests) return miss(kNoDigests);
    http::FindResult sums = DigestMaker::sums_head();
    if (!ask.head) {
        if (asked.reach.in_memory) {
            asked.reach.want_thread();
            return unexpected(listings_full());
        }
        if (!ask.may_list) {
            asked.reach.wants_listing = true;
            return unexpected(listings_full());
        }
        sums = digests_->sums(asked.path,
                              {.resolver = asked.resolver,
                               .sight = sight(asked, folder),
                               .index = settings.index,
                               .cancelled = ask.cancelled},
                              asked.reach, charged_to(folder, asked.reach));
    }
    if (sums)
        sums->rule_fields =
            fields_of_made(is_of_asker(asked.path, folder, asked.rule, ask), asked.rule);
    return sums;
}

http::FindResult LocalStore::find_metalink(const http::Target& target, Entry entry,
                                           const Look& asked) const {
    const Ask& ask = asked.ask;
    if (!asked.rule.settings.digests) return miss(kNoDigests);
    if (ask.host.empty()) return miss(kNoHost);
    std::string url =
        fmt::format("{}://{}/{}", ask.scheme, ask.host, http::encode_path(asked.path));
    if (const std::string query = http::without_metalink(target.query); !query.empty())
        url.append("?").append(clean_query(query));
    const bool is_own = is_of_asker(asked.path, entry, asked.rule, ask);
    const std::uint64_t charged = charged_to(entry, asked.reach);
    auto metalink =
        digests_->metalink(open_file_of(std::move(entry), charged, config_.in_place_writes),
                           std::string(last_segment(asked.path)), std::move(url));
    if (metalink) metalink->rule_fields = fields_of_made(is_own, asked.rule);
    return metalink;
}

// What comes beside it later is to be seen, so nothing is kept.
http::FindResult LocalStore::find_file(Entry file, const Look& asked,
                                       const ServedRule& of_target) const {
    const bool stands_alone =
        !asked.rule.settings.precompressed || asked.follow || is_coded(asked.path);
    if (stands_alone) return file_resource(std::move(file), asked, of_target);
    for (const http::Coding coding : asked.ask.codings.all()) {
        auto found = find_precompressed(file.status, coding, asked);
        if (asked.reach.wants || asked.reach.wants_thread) return miss(kNotReadable);
        if (found) return *std::move(found);
    }
    http::Resource resource = file_resource(std::move(file), asked, of_target);
    resource.might_be_coded_before = true;
    resource.may_be_kept = false;
    return resource;
}

// Whoever asks has to be let in to that name too, by the same rule.
std::optional<http::Resource> LocalStore::find_precompressed(const struct stat& of,
                                                             http::Coding coding,
                                                             const Look& asked) const {
    const std::string path = coded_path(asked.path, coding);
    Look at = look(path, asked.ask, asked.reach);
    at.account = asked.account;
    if (&at.rule != &asked.rule || (asked.ask.policy && asked.ask.policy->refusal_of(path) != 0))
        return std::nullopt;
    auto entry = open(at);
    if (!entry || entry->kind != EntryKind::file) return std::nullopt;
    const auto is_older = [](const timespec& a, const timespec& b) {
        return std::tie(a.tv_sec, a.tv_nsec) < std::tie(b.tv_sec, b.tv_nsec);
    };
    if (is_older(entry->status.st_mtim, of.st_mtim)) return std::nullopt;
    http::Resource resource = file_resource(*std::move(entry), at, at.rule);
    const std::string_view name = last_segment(asked.path);
    resource.content_type = mime_.of(name, asked.rule.settings.types);
    if (!resource.content_disposition.empty()) resource.content_disposition = attachment(name);
    resource.path = asked.path;
    resource.negotiated = false;
    resource.coded_before = coding;
    resource.might_be_coded_before = true;
    resource.may_be_kept = false;
    return resource;
}

http::Resource LocalStore::file_resource(Entry entry, const Look& asked,
                                         const ServedRule& of_target) const {
    // One rule decides, which is asked before any cache.
    const bool one_rule =
        &asked.rule == &of_target && (!entry.led_to || !asked.ask.policy ||
                                      &asked.ask.policy->rule_of(*entry.led_to) == &of_target);
    const PathSettings& settings = asked.rule.settings;
    const std::string_view name = last_segment(asked.path);
    const std::uint64_t charged = charged_to(entry, asked.reach);
    auto file = open_file_of(std::move(entry), charged, config_.in_place_writes);
    const http::Validators validators = http::make_validators(
        {.size = file->size, .mtime = file->mtime, .ctime = file->ctime, .inode = file->inode},
        wall_now());
    std::string content_type(mime_.of(name, settings.types));
    const bool negotiated = settings.compress && gains_by_coding(content_type);
    http::Resource resource{.body = http::Body::of(file),
                            .negotiated = negotiated,
                            .content_type = std::move(content_type),
                            .validators = validators,
                            .digests = settings.digests,
                            .may_be_kept = one_rule && settings.permissions == Permissions::worker,
                            .path = asked.path,
                            .rule_fields = asked.rule.cache_fields + asked.rule.headers};
    if (settings.disposition == Disposition::attachment)
        resource.content_disposition = attachment(name);
    if (asked.follow)
        follow(resource, std::move(file), *asked.follow, asked.resolver, asked.rule.headers);
    return resource;
}

} // namespace fsrv::content
