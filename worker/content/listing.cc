#include "worker/content/listing.h"

#include "worker/content/letter_case.h"
#include "worker/content/listing_page.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>

namespace fsrv::content {
namespace {

// Which names are worth a look for a page.
class PageGlancer final : public Glancer {
  public:
    PageGlancer(const ListingRules& rules, const ListingPage& page)
        : rules_(rules), page_(page), filter_(rules.query.filter) {}

    Glance glance(std::string_view name, std::optional<bool> folder) override {
        ++seen_;
        if (rules_.cancelled && rules_.cancelled->load(std::memory_order_relaxed))
            return Glance::stop;
        return page_.may_want(name, folder) && filter_.passes(name) ? Glance::look : Glance::skip;
    }
    std::size_t seen() const { return seen_; }

  private:
    const ListingRules& rules_;
    const ListingPage& page_;
    NameFilter filter_;
    std::size_t seen_ = 0;
};

// The entry that stands there, or has stood there.
Result<std::optional<ListedEntry>, Errno> entry_at(const std::optional<ListingPlace>& place,
                                                   ListingOrder order, const FolderReader& folder,
                                                   Reach& reach) {
    if (!place) return std::nullopt;
    ListedEntry entry{.name = place->name, .folder = place->folder};
    if (place->is_vague(order)) {
        const auto shown = folder.find(place->name, reach);
        if (!shown) return unexpected(shown.error());
        if (*shown && (!place->folder || (*shown)->folder)) {
            entry = listed(**shown);
            entry.name = place->name;
        } else if (order.key != ListingOrder::Key::name && !place->size && !place->mtime) {
            return unexpected(Errno{EDOM});
        }
    }
    if (place->size) entry.size = *place->size;
    if (place->mtime) entry.mtime = *place->mtime;
    return entry;
}

} // namespace

Result<UniqueFd, Errno> open_folder(int folder_fd) {
    UniqueFd fd(::openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return unexpected(Errno::last());
    return fd;
}

ListedEntry listed(const ShownEntry& entry) {
    ListedEntry out{.name = entry.name, .folder = entry.folder, .known = entry.known};
    if (!entry.known) return out;
    if (!entry.folder) out.size = static_cast<std::uint64_t>(entry.status.st_size);
    out.mtime = {entry.status.st_mtim.tv_sec, entry.status.st_mtim.tv_nsec};
    return out;
}

Result<Listing, Errno> read_listing(int folder_fd, const std::string& path,
                                    const Resolver& resolver, const ListingRules& rules,
                                    Reach& reach, Reservation& memory) {
    auto folder = FolderReader::open(folder_fd, path, resolver, rules.sight);
    if (!folder) return unexpected(folder.error());
    const ListingQuery& query = rules.query;
    const auto after = entry_at(query.after, query.order, *folder, reach);
    const auto before = entry_at(query.before, query.order, *folder, reach);
    if (!after || !before) return unexpected((after ? before : after).error());
    ListingPage page({.order = query.order,
                      .limit = std::min(query.limit.value_or(rules.limit), rules.limit),
                      .after = *after,
                      .before = *before},
                     memory);
    PageGlancer glancer(rules, page);
    for (;;) {
        const auto shown = folder->next(reach, &glancer);
        if (!shown) return unexpected(shown.error());
        if (!*shown) break;
        if (!page.add(listed(**shown))) return unexpected(Errno{ENOMEM});
    }
    Listing listing = page.take();
    listing.seen = glancer.seen();
    return listing;
}

} // namespace fsrv::content
