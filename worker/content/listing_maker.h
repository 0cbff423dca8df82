// ListingMaker: listings of folders, as answers: a page, all of it up to a bound, or a stream of
// it. Those that took long are kept for a second for whoever asks for the same; all that are alive
// are within a budget of bytes. Blocking; any thread.
//
// Who asks for HTML by name, as browsers do, gets pages of limits::kListingPageEntries, with a
// script. Programs that mount or mirror a folder ask for anything, and read no second page.
#pragma once

#include "worker/content/byte_budget.h"
#include "worker/content/folder_reader.h"
#include "worker/content/listing.h"
#include "worker/content/listing_cache.h"
#include "worker/content/resolver.h"
#include "worker/http/resource.h"
#include "worker/http/target.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace fsrv::content {

class ListingMaker final {
  public:
    struct Config {
        std::size_t max_entries = 0; // of one
        std::size_t max_bytes = 0;   // of all at a time
    };
    explicit ListingMaker(const Config& config);

    // How a folder is looked at, and for whom.
    struct Look {
        const std::string& path; // of the folder, below the root
        const Entry& folder;
        const Resolver& resolver;
        Sight sight;
        bool is_of_asker = false; // somebody else may get another listing
        bool archives = false;    // it can be had as one
        bool digests = false;     // a list of its files' can be had
        const std::string& rule_fields;
        std::string_view accept; // Accept: for the form
        bool head = false;       // nobody reads the body: a listing is not made
        bool may_list = true;    // false: where one has to be made, `reach` says so
        const std::atomic<bool>* cancelled = nullptr; // true: nobody waits any more
    };
    http::FindResult make(const http::Target& target, const Look& look, Reach& reach);

    // Frees what is kept no longer: to be called now and then.
    void drop_old() { kept_.drop_old(monotonic_ms()); }

  private:
    http::FindResult make_page(const ListingQuery& query, const Look& look, http::Resource resource,
                               Reach& reach);
    Result<http::Body, Errno> list(const ListingQuery& query, const ListingCache::Key* keep_as,
                                   const Look& look, Reach& reach);
    http::FindResult make_stream(const ListingQuery& query, const Look& look,
                                 http::Resource resource, const Reach& reach);

    const Config config_;
    std::shared_ptr<ByteBudget> bytes_; // outlives the maker while a body does
    ListingCache kept_;
};

// Where there is no room for another one.
http::Miss listings_full();

} // namespace fsrv::content
