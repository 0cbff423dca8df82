// Store: what can be served out of one folder. Blocking calls only, no sockets: called in a thread
// of the pool (or on the loop with --io inline), by several threads at once; what changes is
// the count of listing bytes in flight, the long listings of the last second, and what is known of
// archives and of digests.
#pragma once

#include "common/limits.h"
#include "common/options.h"
#include "worker/content/archive_maker.h"
#include "worker/content/digest_maker.h"
#include "worker/content/listing_maker.h"
#include "worker/content/mime.h"
#include "worker/content/policy.h"
#include "worker/content/resolver.h"
#include "worker/http/accept_encoding.h"
#include "worker/http/resource.h"
#include "worker/http/target.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv::content {

struct StoreConfig {
    int root_fd = -1;      // O_PATH of the folder; not owned
    std::string root_path; // absolute, links resolved: maps absolute ?path= and absolute links;
                           // confinement is the kernel's
    std::string root_name; // as it was configured, if that is absolute: maps absolute ?path= too
    bool listing = true;
    std::string index; // empty: none
    bool hidden = false;
    Symlinks symlinks = Symlinks::inside;
    InPlaceWrites in_place_writes = InPlaceWrites::on;
    bool compress = false;           // types that gain are negotiated
    bool precompressed = false;      // x.gz and the like stand for x
    bool has_policy = false;         // Ask may have one
    std::uint64_t archive_limit = 0; // bytes of files in an archive of a folder; 0: there is none
    std::size_t max_listing_bytes = limits::kMaxListingBytesInFlight; // less in a small container
    // For tests.
    ResolveForm form = ResolveForm::automatic;
    std::size_t max_listing_entries = limits::kMaxListingEntries;
    std::size_t max_archive_entries = limits::kMaxArchiveEntries;
    std::size_t max_archive_list_bytes = limits::kMaxArchiveListBytes;
};

// What a request says beside its target.
struct Ask {
    std::string_view accept = {}; // Accept: for the form of a listing
    bool head = false;            // nobody reads the body: a listing is not made
    // Those that are preferred to the identity, the best first.
    http::CodingList codings = {};
    // False: where a listing has to be made, `reach` says so (Reach::wants_listing), and what is
    // returned means nothing.
    bool may_list = true;
    // Set to true by any thread: nobody waits any more, and what takes long may be given up, as a
    // 503. Outlives the call.
    const std::atomic<bool>* cancelled = nullptr;
    // By which the address that was asked for begins, for what says where a file is.
    std::string_view scheme = "http";
    std::string_view host = {};
    // None: all paths have the store's own settings, and all who ask may have them. It has let in
    // for the path that is asked for. Outlives the call.
    const Policy* policy = nullptr;
};

class LocalStore final {
  public:
    LocalStore(StoreConfig config, MimeTypes mime);

    // Tree or api target to Resource: resolve (openat2), open (O_NONBLOCK|O_NOCTTY), fstat, type;
    // folders to index, listing, archive, redirect or 403. Not found is a Miss; errno becomes its
    // status in one place, errno_status.h. `reach`: which device may be asked. When another one has
    // to be, `reach` says so, and what is returned means nothing.
    http::FindResult find(const http::Target& target, const Ask& ask, Reach& reach) const;
    http::FindResult find(const http::Target& target, const Ask& ask) const {
        Reach anywhere;
        return find(target, ask, anywhere);
    }

    // Below the root, as Target::path; none: it leads elsewhere, so nothing is found.
    std::optional<std::string> path_of(const http::Target& target) const;

    // Frees listings that are kept no longer: to be called now and then. Any thread.
    void drop_old_listings() const { listings_->drop_old(); }

    // Of files, whatever their rules say. It grows with what is computed.
    KnownDigests& known_digests() const { return *digests_->known(); }

    dev_t root_device() const { return resolver_.root_device(); }

    // For a cache: does Resource::path still lead to that file? False: maybe not. Never blocks.
    bool surely_still(const std::string& path, const http::OpenFile& file) const {
        return resolver_.surely_still(path, file.device, file.inode);
    }

  private:
    // A path, and how it is looked up.
    struct Look {
        const std::string& path;
        const Ask& ask;
        const ServedRule& rule;
        const Resolver& resolver;
        Reach& reach;
        // Of the asker, whose rights are in force by the rule of what was asked for.
        const Account* account = nullptr;
        std::optional<http::Target::Follow> follow = {}; // what is there
    };
    Look look(const std::string& path, const Ask& ask, Reach& reach) const;
    const Resolver& resolver(const PathSettings& settings) const;
    Result<Entry, http::Miss> open(const Look& look) const;
    std::optional<http::Miss> judge(const Entry& entry, const Look& look) const;
    http::FindResult find_as_asked(const http::Target& target, const Look& asked) const;
    http::FindResult find_folder(const http::Target& target, const Entry& folder,
                                 const Look& look) const;
    http::FindResult find_archive(const http::Target& target, const Entry& folder,
                                  const Look& look) const;
    http::FindResult find_sums(const Entry& folder, const Look& look) const;
    http::FindResult find_metalink(const http::Target& target, Entry file, const Look& look) const;
    static Sight sight(const Look& asked, const Entry& folder);
    // `of_target`: the rule of what was asked for, which may be its folder.
    http::FindResult find_file(Entry file, const Look& look, const ServedRule& of_target) const;
    http::Resource file_resource(Entry file, const Look& look, const ServedRule& of_target) const;
    std::optional<http::Resource> find_precompressed(const struct stat& of, http::Coding coding,
                                                     const Look& look) const;

    StoreConfig config_;
    MimeTypes mime_;
    ServedRule own_rule_; // where there is no policy
    // One for each way to follow links and to see hidden names; without a policy the own rule's.
    std::vector<std::unique_ptr<Resolver>> resolvers_;
    const Resolver& resolver_; // the own rule's
    std::unique_ptr<ListingMaker> listings_;
    std::unique_ptr<ArchiveMaker> archives_;
    std::unique_ptr<DigestMaker> digests_;
};

} // namespace fsrv::content
