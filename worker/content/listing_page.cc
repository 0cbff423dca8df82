#include "worker/content/listing_page.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace fsrv::content {
namespace {

// Beyond the page, before some are let go: so many that looking for them costs little each.
std::size_t spare_for(std::size_t limit) {
    constexpr std::size_t kLeast = 256;
    return std::max(limit / 4, kLeast);
}

// Twice the entry: a vector that grows holds the old one beside the new.
std::size_t cost_of(const ListedEntry& entry) {
    return 2 * sizeof(ListedEntry) + entry.name.size() + 1;
}

} // namespace

bool ListingPage::wants(const ListedEntry& entry) const {
    if (bounds_.after && !comes_before(*bounds_.after, entry, bounds_.order)) return false;
    if (bounds_.before && !comes_before(entry, *bounds_.before, bounds_.order)) return false;
    return !farthest_ || is_nearer(entry, *farthest_);
}

bool ListingPage::may_want(std::string_view name, std::optional<bool> folder) const {
    if (bounds_.order.key != ListingOrder::Key::name) return true; // it is no matter of names
    const ListedEntry entry{.name = name, .folder = folder.value_or(false)};
    if (wants(entry)) return true;
    return !folder && wants({.name = name, .folder = true});
}

bool ListingPage::add(const ListedEntry& entry) {
    if (!wants(entry)) return true;
    // One more than asked for tells that there are more.
    if (listing_.entries.size() > bounds_.limit + spare_for(bounds_.limit) && !let_go())
        return false;
    if (!memory_.grow(cost_of(entry))) return false;
    bytes_ += cost_of(entry);
    ListedEntry& kept = listing_.entries.emplace_back(entry);
    kept.name = listing_.names.keep(entry.name);
    return true;
}

bool ListingPage::let_go() {
    std::vector<ListedEntry>& all = listing_.entries;
    const auto last = all.begin() + static_cast<std::ptrdiff_t>(bounds_.limit);
    std::nth_element(all.begin(), last, all.end(),
                     [this](const auto& a, const auto& b) { return is_nearer(a, b); });
    all.erase(last + 1, all.end());
    std::size_t bytes = 0;
    for (const ListedEntry& entry : all) bytes += cost_of(entry);
    if (!memory_.grow(bytes)) return false;
    NameStore names;
    for (ListedEntry& entry : all) entry.name = names.keep(entry.name);
    listing_.names = std::move(names);
    memory_.give_back(std::exchange(bytes_, bytes));
    farthest_ = all.back();
    return true;
}

Listing ListingPage::take() {
    sort_listing(listing_, bounds_.order);
    std::vector<ListedEntry>& all = listing_.entries;
    const bool more = farthest_ || all.size() > bounds_.limit;
    listing_.more_before = bounds_.after || (bounds_.before && more);
    listing_.more_after = bounds_.before || more;
    if (all.size() > bounds_.limit) {
        const auto beyond = static_cast<std::ptrdiff_t>(all.size() - bounds_.limit);
        if (bounds_.before)
            all.erase(all.begin(), all.begin() + beyond);
        else
            all.erase(all.end() - beyond, all.end());
    }
    return std::move(listing_);
}

} // namespace fsrv::content
