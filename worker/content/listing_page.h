// ListingPage: so many entries of a folder of any size, in a walk of it in any order: the first
// behind a place, or the last before one. Memory goes with the page: what cannot be in it any more
// is let go of as better ones come, and most is never taken in.
#pragma once

#include "worker/content/byte_budget.h"
#include "worker/content/listing_order.h"

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace fsrv::content {

class ListingPage final {
  public:
    struct Bounds {
        ListingOrder order;
        std::size_t limit = 1;            // and more
        std::optional<ListedEntry> after; // one of both at most; their names outlive the page
        std::optional<ListedEntry> before;
    };
    // `memory` outlives the page, and is for what it returns too.
    ListingPage(const Bounds& bounds, Reservation& memory) : bounds_(bounds), memory_(memory) {}

    // False: whatever else there is to know of the name, it is not on the page. `folder`: none: it
    // is not known yet.
    bool may_want(std::string_view name, std::optional<bool> folder) const;
    // Keeps the entry and its name, if it is wanted. False: over the budget.
    bool add(const ListedEntry& entry);
    // Sorted. The page is used up.
    Listing take();

  private:
    bool wants(const ListedEntry& entry) const;
    // In the direction that the page grows in: away from its place.
    bool is_nearer(const ListedEntry& a, const ListedEntry& b) const {
        return bounds_.before ? comes_before(b, a, bounds_.order)
                              : comes_before(a, b, bounds_.order);
    }
    bool let_go();

    const Bounds bounds_;
    Reservation& memory_;
    Listing listing_;
    std::size_t bytes_ = 0;               // of the memory, for what is in the listing
    std::optional<ListedEntry> farthest_; // of what was kept when others were let go
};

} // namespace fsrv::content
