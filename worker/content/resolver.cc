#include "worker/content/resolver.h"

#include "common/limits.h"

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

Resolver::Resolver(int root_fd, std::string root_path, Symlinks symlinks, ResolveForm form)
    : root_fd_(root_fd),
      root_path_(std::move(root_path)),
      symlinks_(symlinks),
      form_(form == ResolveForm::automatic ? detect_form(root_fd) : form) {
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
    if (form_ == ResolveForm::openat2 && reach.device == root_device_) {
        Place place{.name = path};
        place.object = openat2(root_fd_, path, kLook, resolve_flags(symlinks_) | RESOLVE_NO_XDEV);
        if (place.object && ::fstat(place.object.get(), &place.status) == 0)
            return entry_of(std::move(place), for_reading);
        if (errno != EXDEV) return unexpected(Errno::last());
    }
    auto end = walk_path(walk_policy(&reach), path);
    if (!end) return unexpected(end.error());
    if (end->status.st_dev != reach.device) {
        const bool is_folder = S_ISDIR(end->status.st_mode);
        if (for_reading || !is_folder) return unexpected(Errno{reach.want(end->status.st_dev)});
        if (is_pseudo_device(reach.mounts, end->status.st_dev)) return unexpected(Errno{ENOENT});
        return Entry{
            .kind = EntryKind::folder, .fd = std::move(end->object), .status = end->status};
    }
    auto place = find(path);
    if (!place) return unexpected(place.error());
    if (place->status.st_dev != reach.device) return unexpected(Errno{EAGAIN}); // turned meanwhile
    return entry_of(*std::move(place), for_reading);
}

bool Resolver::is_pseudo(int fd, dev_t device) const {
    return device == root_device_ ? !root_is_plain_ : on_pseudo_fs(fd);
}

Result<Entry, Errno> Resolver::entry_of(Place place, bool for_reading) const {
    if (is_pseudo(place.object.get(), place.status.st_dev)) return unexpected(Errno{ENOENT});
    Entry entry{.kind = kind_of(place.status)};
    if (entry.kind != EntryKind::file || !for_reading) {
        entry.fd = std::move(place.object);
        entry.status = place.status;
        return entry;
    }
    auto fd = reopen(place);
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
    Place place{.name = path};
    if (form_ == ResolveForm::openat2) {
        place.object = openat2(root_fd_, path, kLook, resolve_flags(symlinks_));
        if (!place.object) {
            // An absolute link, perhaps back into the root.
            if (errno != EXDEV || symlinks_ != Symlinks::inside) return unexpected(Errno::last());
            auto end = walk_path(walk_policy(), path);
            if (!end) return unexpected(end.error());
            place.name = std::move(end->path);
            place.without_links = true;
            place.object = openat2(root_fd_, place.name, kLook, kBeneath | RESOLVE_NO_SYMLINKS);
            if (!place.object) return unexpected(errno == ELOOP ? Errno{EAGAIN} : Errno::last());
        }
        if (::fstat(place.object.get(), &place.status) != 0) return unexpected(Errno::last());
        return place;
    }
    auto end = walk_path(walk_policy(), path);
    if (!end) return unexpected(end.error());
    place.object = std::move(end->object);
    place.status = end->status;
    place.parent = std::move(end->parent);
    place.name = std::move(end->name);
    return place;
}

Result<UniqueFd, Errno> Resolver::reopen(const Place& place) const {
    const bool walked = form_ == ResolveForm::walk;
    const std::uint64_t resolve =
        place.without_links ? kBeneath | RESOLVE_NO_SYMLINKS : resolve_flags(symlinks_);
    UniqueFd fd =
        walked ? UniqueFd(::openat(place.parent.get(), place.name.c_str(), kRead | O_NOFOLLOW))
               : openat2(root_fd_, place.name, kRead, resolve);
    if (fd) return fd;
    // The path was without links a moment ago.
    if (errno == ELOOP && (walked || place.without_links)) return unexpected(Errno{EAGAIN});
    return unexpected(Errno::last());
}

} // namespace fsrv::content
