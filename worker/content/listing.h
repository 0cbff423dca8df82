// A folder's listing, or a page of it: read, sorted, and written as HTML or JSON. The HTML is also
// made for programs: one <a href="name">name</a> for each entry, and nothing else that looks like
// one, folders with a slash at the end, date and size behind it in the same line. Blocking; any
// thread.
#pragma once

#include "common/clock.h"
#include "common/result.h"
#include "worker/content/byte_budget.h"
#include "worker/content/folder_reader.h"
#include "worker/content/listing_order.h"
#include "worker/content/listing_query.h"
#include "worker/content/resolver.h"
#include "worker/http/body.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv::content {

struct ListingRules {
    Sight sight;
    const ListingQuery& query;
    std::size_t limit = 0;                        // of entries, whatever the query says
    const std::atomic<bool>* cancelled = nullptr; // true: nobody waits any more
};

// For reading what is in it. `folder_fd`: O_PATH will do.
Result<UniqueFd, Errno> open_folder(int folder_fd);

// What of the folder can be had by a link: files and folders, links to them where the resolver
// allows it. What vanishes meanwhile is left out; what a disk does not tell of (EIO, ESTALE …) is
// listed by its name. `folder_fd`: O_PATH will do. `path`: of the
// folder, for links. Sorted, a page. ENOMEM: over `memory`'s budget. ECANCELED: the rules say so.
// EDOM: nobody knows where in the order the place is that the query names. kOtherDevice: `reach`
// says which.
Result<Listing, Errno> read_listing(int folder_fd, const std::string& path,
                                    const Resolver& resolver, const ListingRules& rules,
                                    Reach& reach, Reservation& memory);

struct ListingFacts {
    std::string_view path; // of the folder, as Target::path
    const ListingQuery& query;
    bool archives = false;       // the folder can be had as one
    bool digests = false;        // there are lists of them
    bool for_people = false;     // in a browser: a script helps them
    std::string_view asker = {}; // who asks, to be told; empty: nobody knows
    bool cut = false;            // a page is not what was asked for, if there is more
};

// None when the budget is used up; the body gives its part back when it dies.
std::optional<http::Body> listing_html(const Listing& listing, const ListingFacts& facts,
                                       const std::shared_ptr<ByteBudget>& budget);
std::optional<http::Body> listing_json(const Listing& listing, const ListingFacts& facts,
                                       const std::shared_ptr<ByteBudget>& budget);

// One entry as JSON.
void append_json_entry(std::string& out, const ListedEntry& entry, std::string_view path);

// Value of Content-Security-Policy for a page for people: that one script, by its hash.
std::string listing_page_policy();
std::string_view listing_script(); // for the test of its hash

// `entry.name` stays that of the reader.
ListedEntry listed(const ShownEntry& entry);

} // namespace fsrv::content
