#include "worker/content/archive_files.h"

#include "worker/content/fs_identity.h"
#include "worker/content/open_file.h"

#include <cerrno>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

namespace fsrv::content {
namespace {

using ArchiveHad = http::Parts::Had;

ArchiveHad had_of(int error) {
    switch (error) {
    case kNotInMemory: return ArchiveHad::needs_thread;
    case EACCES:
    case EPERM:
    case EIO: return ArchiveHad::unreadable;
    case EMFILE:
    case ENFILE:
    case ENOMEM: return ArchiveHad::broken;
    default: return ArchiveHad::changed; // gone, or something else
    }
}

bool is_as_opened(const http::OpenFile& file) {
    struct stat now {};
    if (::fstat(file.fd.get(), &now) != 0) return false;
    const auto size = static_cast<std::uint64_t>(now.st_size);
    if (file.writes == InPlaceWrites::off) return size == file.size;
    if (file.writes == InPlaceWrites::append) return size >= file.size;
    return size == file.size && FileTime{now.st_mtim.tv_sec, now.st_mtim.tv_nsec} == file.mtime;
}

} // namespace

bool ArchiveFiles::is_the_same(const Entry& entry, const struct stat& status) const {
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (status.st_dev != list_->device(entry) || status.st_ino != entry.inode) return false;
    if (services_.writes == InPlaceWrites::append) return size >= entry.size;
    if (size != entry.size) return false;
    return services_.writes == InPlaceWrites::off ||
           (FileTime{status.st_mtim.tv_sec, status.st_mtim.tv_nsec} == entry.mtime() &&
            FileTime{status.st_ctim.tv_sec, status.st_ctim.tv_nsec} == entry.ctime());
}

ArchiveHad ArchiveFiles::open(const Entry& entry, bool in_memory,
                              std::shared_ptr<const http::OpenFile>& file) const {
    if (in_memory && services_.account) return ArchiveHad::needs_thread;
    const FsIdentity identity(services_.account);
    if (!identity.is_assumed()) return ArchiveHad::broken;
    const dev_t device = list_->device(entry);
    Reach reach;
    if (in_memory)
        reach = {.in_memory = true};
    else
        reach = {.anywhere = false, .device = device, .passed = list_->devices()};
    auto opened = services_.resolver.open(list_->path(entry), reach);
    if (!opened) return had_of(opened.error().code);
    if (opened->kind != EntryKind::file || !is_the_same(entry, opened->status))
        return ArchiveHad::changed;
    auto made = open_file_of(*std::move(opened), device, services_.writes);
    made->size = entry.size; // it may have grown
    file = std::move(made);
    return ArchiveHad::some;
}

ArchiveHad ArchiveFiles::read(const Entry& entry, bool in_memory, std::string& to) const {
    if (entry.kind == Entry::Kind::note) {
        to.append(list_->note());
        return ArchiveHad::some;
    }
    std::shared_ptr<const http::OpenFile> file;
    const ArchiveHad opened = open(entry, in_memory, file);
    if (opened != ArchiveHad::some) return opened;
    const std::size_t before = to.size();
    const auto size = static_cast<std::size_t>(entry.size);
    to.resize(before + size);
    const ArchiveHad had = read_part(*file, 0, size, in_memory, to.data() + before);
    if (had != ArchiveHad::some) to.resize(before);
    return had;
}

ArchiveHad ArchiveFiles::read_part(const http::OpenFile& file, std::uint64_t offset,
                                   std::size_t length, bool in_memory, char* to) {
    std::size_t have = 0;
    while (have < length) {
        const iovec rest{.iov_base = to + have, .iov_len = length - have};
        const ssize_t n = ::preadv2(file.fd.get(), &rest, 1, static_cast<off_t>(offset + have),
                                    in_memory ? RWF_NOWAIT : 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return in_memory ? ArchiveHad::needs_thread : ArchiveHad::unreadable;
        if (n == 0) return ArchiveHad::changed;
        have += static_cast<std::size_t>(n);
    }
    return is_as_opened(file) ? ArchiveHad::some : ArchiveHad::changed;
}

} // namespace fsrv::content
