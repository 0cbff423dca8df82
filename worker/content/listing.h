// A folder's listing: read, sorted, and written as HTML or JSON. The HTML is also made for
// programs: one <a href="name">name</a> for each entry, and nothing else that looks like one,
// folders with a slash at the end, date and size behind it in the same line. Blocking; any thread.
#pragma once

#include "common/clock.h"
#include "common/result.h"
#include "worker/content/byte_budget.h"
#include "worker/content/folder_reader.h"
#include "worker/content/listing_order.h"
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
    std::size_t max_entries = 0;
    const std::atomic<bool>* cancelled = nullptr; // true: nobody waits any more
};

// For reading what is in it. `folder_fd`: O_PATH will do.
Result<UniqueFd, Errno> open_folder(int folder_fd);

// What of the folder can be had by a link: files and folders, links to them where the resolver
// allows it. What vanishes meanwhile is left out; what a disk does not tell of (EIO, ESTALE …) is
// listed by its name. `folder_fd`: O_PATH will do. `path`: of the
// folder, for links. ENOMEM: over `memory`'s budget. ECANCELED: the rules say so. kOtherDevice:
// `reach` says which.
Result<Listing, Errno> read_listing(int folder_fd, const std::string& path,
                                    const Resolver& resolver, const ListingRules& rules,
                                    Reach& reach, Reservation& memory);

// `path`: of the folder, as Target::path. `archives`: it can be had as one. None when the budget is
// used up; the body gives its part back when it dies.
std::optional<http::Body> listing_html(const Listing& listing, std::string_view path,
                                       ListingOrder order, bool archives,
                                       const std::shared_ptr<ByteBudget>& budget);
std::optional<http::Body> listing_json(const Listing& listing, std::string_view path,
                                       const std::shared_ptr<ByteBudget>& budget);

} // namespace fsrv::content
