#include "worker/content/resolver.h"

#include "common/limits.h"
#include "worker/content/short_names.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

namespace fsrv::content {
namespace {

constexpr int kLook = O_PATH | O_CLOEXEC;
// O_NONBLOCK: should a FIFO have taken the file's place since it was looked at, nobody waits for
// its writer.
constexpr int kRead = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

constexpr std::uint64_t kBeneath = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;

UniqueFd openat2(int folder, const std::string& path, int flags, std::uint64_t resolve) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags);
    how.resolve = resolve;
    const char* name = path.empty() ? "." : path.c_str();
    return UniqueFd(static_cast<int>(::syscall(SYS_openat2, folder, name, &how, sizeof how)));
}

std::uint64_t resolve_flags(Symlinks symlinks) {
    switch (symlinks) {
    case Symlinks::never: return kBeneath | RESOLVE_NO_SYMLINKS;
    case Symlinks::follow: return RESOLVE_NO_MAGICLINKS;
    case Symlinks::inside: break;
    }
    return kBeneath;
}

// ENOSYS before Linux 5.6; EPERM from system call filters that are older than the call.
ResolveForm detect_form(int root_fd) {
    const UniqueFd probe = openat2(root_fd, ".", kLook, kBeneath);
    return !probe && (errno == ENOSYS || errno == EPERM) ? ResolveForm::walk : ResolveForm::openat2;
}

bool is_pseudo_device(const std::shared_ptr<const std::vector<Mount>>& mounts, dev_t device) {
    return mounts && std::any_of(mounts->begin(), mounts->end(), [device](const Mount& mount) {
               return mount.pseudo && mount.device == device;
           });
}

EntryKind kind_of(const struct stat& status) {
    if (S_ISREG(status.st_mode)) return EntryKind::file;
    return S_ISDIR(status.st_mode) ? EntryKind::folder : EntryKind::special;
}

} // namespace

Resolver::Resolver(int root_fd, std::string root_path, Symlinks symlinks, ResolveForm form,
                   bool hidden, bool tells)
    : root_fd_(root_fd),
      root_path_(std::move(root_path)),
      symlinks_(symlinks),
      form_(form == ResolveForm::automatic ? detect_form(root_fd) : form),
      hidden_(hidden),
      sees_links_(!hidden || tells) {
    struct stat root {};
    if (::fstat(root_fd_, &root) != 0) return;
    root_device_ = root.st_dev;
    root_is_plain_ = !on_pseudo_fs(root_fd_);
    root_local_ = local_fs(root_fd_);
}

Result<Entry, Errno> Resolver::open(const std::string& path, Reach& reach) const {
    return try_again(path, reach, true);
}

Result<Entry, Errno> Resolver::look(const std::string& path, Reach& reach) const {
    return try_again(path, reach, false);
}

Result<Entry, Errno> Resolver::try_again(const std::string& path, Reach& reach,
                                         bool for_reading) const {
    for (unsigned tries = 1;; ++tries) {
        auto entry = open_once(path, reach, for_reading);
        // EINTR too: an open on a network file system can be interrupted.
        const bool passing =
            !entry && (entry.error().code == EAGAIN || entry.error().code == EINTR);
        if (!passing || tries == limits::kMaxResolveRetries) return entry;
    }
}

bool Resolver::surely_still(const std::string& path, std::uint64_t device,
                            std::uint64_t inode) const {
    if (form_ != ResolveForm::openat2) return false;
    const UniqueFd object =
        openat2(root_fd_, path, kLook, resolve_flags(symlinks_) | RESOLVE_CACHED);
    struct stat status {};
    return object && stat_in_memory(object.get(), status) && status.st_dev == device &&
           status.st_ino == inode;
}

// Two opens for a file, the first with O_PATH: that one has no side effect on whatever it meets.
// O_RDONLY has, even with O_NONBLOCK: it starts watchdogs, rewinds tapes, raises a modem's DTR and
// releases whoever waits to write into a FIFO. It also tells a socket (ENXIO otherwise, which a
// missing device gives too). The price is one system call on a path that a cache of open files
// keeps rare; what is served is judged by fstat() of the second descriptor.
Result<Entry, Errno> Resolver::open_once(const std::string& path, Reach& reach,
                                         bool for_reading) const {
    if (reach.in_memory) return open_in_memory(path, reach);
    if (!reach.anywhere) return open_within(path, reach, for_reading);
    auto place = find(path);
    if (!place) return unexpected(place.error());
    return entry_of(*std::move(place), for_reading);
}

// Nearly always nothing but the root's own file system is met, and the kernel sees to it. Where
// another is, the walk finds out whether it is the one that is charged, and has what it needs in
// memory when the kernel then resolves the path as ever.
Result<Entry, Errno> Resolver::open_within(const std::string& path, Reach& reach,
                                           bool for_reading) const {
    if (path.size() >= PATH_MAX) return unexpected(Errno{ENAMETOOLONG});
    if (reach.device == root_device_) {
        Attempt attempt = find_by_kernel(path, RESOLVE_NO_XDEV);
        if (attempt.place) return entry_of(*std::move(attempt.place), for_reading);
        if (!attempt.walk) return unexpected(attempt.place.error());
    }
    auto end = walk_path(walk_policy(&reach), path);
    if (!end) return unexpected(end.error());
    if (end->status.st_dev != reach.device) {
        const bool is_folder = S_ISDIR(end->status.st_mode);
        if (for_reading || !is_folder) return unexpected(Errno{reach.want(end->status.st_dev)});
        if (is_pseudo_device(reach.mounts, end->status.st_dev)) return unexpected(Errno{ENOENT});
        return Entry{.kind = EntryKind::folder,
                     .fd = std::move(end->object),
                     .status = end->status,
                     .led_to = std::move(end->path)};
    }
    auto place = place_of(*std::move(end));
    if (!place) return unexpected(place.error());
    if (place->status.st_dev != reach.device) return unexpected(Errno{EAGAIN}); // turned meanwhile
    return entry_of(*std::move(place), for_reading);
}

// The root's own file system, by names, inodes and rights that are in memory, and without a link to
// be judged: what most requests ask for. That a name is not there is an answer too.
Result<Entry, Errno> Resolver::open_in_memory(const std::string& path, Reach& reach) const {
    if (root_local_ == LocalFs::no || path.size() >= PATH_MAX)
        return unexpected(Errno{reach.want_thread()});
    constexpr std::uint64_t kOnlyThere = RESOLVE_NO_XDEV | RESOLVE_CACHED;
    Attempt attempt = find_by_kernel(path, kOnlyThere);
    if (attempt.place) {
        auto entry = entry_of(*std::move(attempt.place), true, kOnlyThere);
        if (entry) return entry;
    } else if (attempt.place.error().code == ENOENT) {
        return unexpected(attempt.place.error());
    }
    return unexpected(Errno{reach.want_thread()});
}

bool Resolver::is_pseudo(int fd, dev_t device) const {
    return device == root_device_ ? !root_is_plain_ : on_pseudo_fs(fd);
}

Result<Entry, Errno> Resolver::entry_of(Place place, bool for_reading,
                                        std::uint64_t more_flags) const {
    if (is_pseudo(place.object.get(), place.status.st_dev)) return unexpected(Errno{ENOENT});
    Entry entry{.kind = kind_of(place.status), .led_to = std::move(place.led_to)};
    if (entry.kind != EntryKind::file || !for_reading) {
        entry.fd = std::move(place.object);
        entry.status = place.status;
        return entry;
    }
    auto fd = reopen(place, more_flags);
    if (!fd) return unexpected(fd.error());
    if (::fstat(fd->get(), &entry.status) != 0) return unexpected(Errno::last());
    const bool same_device = entry.status.st_dev == place.status.st_dev;
    if (!S_ISREG(entry.status.st_mode) || !same_device)
        return unexpected(Errno{EAGAIN}); // replaced in between
    entry.fd = *std::move(fd);
    entry.local = entry.status.st_dev == root_device_ ? root_local_ : local_fs(entry.fd.get());
    return entry;
}

Result<Resolver::Place, Errno> Resolver::find(const std::string& path) const {
    if (path.size() >= PATH_MAX) return unexpected(Errno{ENAMETOOLONG});
    Attempt attempt = find_by_kernel(path, 0);
    if (!attempt.walk) return std::move(attempt.place);
    auto end = walk_path(walk_policy(), path);
    if (!end) return unexpected(end.error());
    return place_of(*std::move(end));
}

// Where it is to be judged where links lead, it follows none: that has to be seen. So a
// path without links costs nothing for it.
Resolver::Attempt Resolver::find_by_kernel(const std::string& path,
                                           std::uint64_t more_flags) const {
    if (form_ != ResolveForm::openat2 || (!hidden_ && may_hold_short_name(path)))
        return {.place = unexpected(Errno{ENOSYS}), .walk = true};
    Place place{.name = path};
    std::uint64_t resolve = resolve_flags(symlinks_) | more_flags;
    if (sees_links_) resolve |= RESOLVE_NO_SYMLINKS;
    place.object = openat2(root_fd_, path, kLook, resolve);
    if (place.object && ::fstat(place.object.get(), &place.status) == 0)
        return {.place = std::move(place)};
    const Errno failed = Errno::last();
    // An absolute link, perhaps back into the root; another file system; a link to be judged.
    const bool left = failed.code == EXDEV &&
                      (symlinks_ == Symlinks::inside || (more_flags & RESOLVE_NO_XDEV) != 0);
    const bool link = failed.code == ELOOP && sees_links_ && symlinks_ != Symlinks::never;
    return {.place = unexpected(failed), .walk = left || link};
}

// What the walk has found, for the kernel to confirm where it can: links may lead anywhere only
// with Symlinks::follow.
Result<Resolver::Place, Errno> Resolver::place_of(WalkEnd end) const {
    Place place{.led_to = end.path};
    if (form_ == ResolveForm::openat2 && symlinks_ != Symlinks::follow) {
        place.name = std::move(end.path);
        place.without_links = true;
        place.object = openat2(root_fd_, place.name, kLook, kBeneath | RESOLVE_NO_SYMLINKS);
        if (!place.object) return unexpected(errno == ELOOP ? Errno{EAGAIN} : Errno::last());
    } else {
        place.object = std::move(end.object);
        place.parent = std::move(end.parent);
        place.name = std::move(end.name);
    }
    // What the walk knows may be what was in memory.
    if (::fstat(place.object.get(), &place.status) != 0) return unexpected(Errno::last());
    return place;
}

Result<UniqueFd, Errno> Resolver::reopen(const Place& place, std::uint64_t more_flags) const {
    const bool walked = static_cast<bool>(place.parent);
    std::uint64_t resolve = resolve_flags(symlinks_) | more_flags;
    if (place.without_links || sees_links_) resolve |= RESOLVE_NO_SYMLINKS;
    UniqueFd fd =
        walked ? UniqueFd(::openat(place.parent.get(), place.name.c_str(), kRead | O_NOFOLLOW))
               : openat2(root_fd_, place.name, kRead, resolve);
    if (fd) return fd;
    // The path was without links a moment ago.
    const bool had_none = walked || (resolve & RESOLVE_NO_SYMLINKS) != 0;
    if (errno == ELOOP && had_none) return unexpected(Errno{EAGAIN});
    return unexpected(Errno::last());
}

} // namespace fsrv::content
