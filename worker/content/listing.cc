#include "worker/content/listing.h"

#include <cerrno>
#include <fcntl.h>

namespace fsrv::content {

Result<UniqueFd, Errno> open_folder(int folder_fd) {
    UniqueFd fd(::openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return unexpected(Errno::last());
    return fd;
}

Result<Listing, Errno> read_listing(int folder_fd, const std::string& path,
                                    const Resolver& resolver, const ListingRules& rules,
                                    Reach& reach, Reservation& memory) {
    auto folder = FolderReader::open(folder_fd, path, resolver, rules.sight);
    if (!folder) return unexpected(folder.error());
    Listing listing;
    for (;;) {
        if (rules.cancelled && rules.cancelled->load(std::memory_order_relaxed))
            return unexpected(Errno{ECANCELED});
        const auto shown = folder->next(reach);
        if (!shown) return unexpected(shown.error());
        if (!*shown) return listing;
        const ShownEntry& entry = **shown;
        if (listing.entries.size() == rules.max_entries) {
            listing.truncated = true;
            return listing;
        }
        // Twice the entry: a vector that grows holds the old one beside the new.
        if (!memory.grow(2 * sizeof(ListedEntry) + entry.name.size() + 1))
            return unexpected(Errno{ENOMEM});
        const struct stat& status = entry.status;
        listing.entries.push_back(
            {.name = listing.names.keep(entry.name),
             .size = entry.folder || !entry.known ? 0 : static_cast<std::uint64_t>(status.st_size),
             .mtime =
                 entry.known ? FileTime{status.st_mtim.tv_sec, status.st_mtim.tv_nsec} : FileTime{},
             .folder = entry.folder,
             .known = entry.known});
    }
}

} // namespace fsrv::content
