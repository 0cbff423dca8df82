#include "worker/disk/page_cache.h"

#include <algorithm>
#include <cerrno>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace fsrv::disk {
namespace {

// Linux 6.5; not yet in the headers of the distributions that fsrv is built on.
constexpr long kCachestat = 451;
struct CachestatRange {
    std::uint64_t offset;
    std::uint64_t length;
};
struct Cachestat {
    std::uint64_t cached;
    std::uint64_t dirty;
    std::uint64_t writeback;
    std::uint64_t evicted;
    std::uint64_t recently_evicted;
};

constexpr std::uint64_t kPage = 4096; // what cachestat counts is at least this large
constexpr std::uint64_t kFilledTogether = 128 * 1024; // by one read ahead, at least

} // namespace

Counted count_cached(int fd, std::uint64_t offset, std::uint64_t length) {
    const CachestatRange range{.offset = offset, .length = length};
    Cachestat found{};
    if (::syscall(kCachestat, fd, &range, &found, 0U) != 0) return Counted::unknown;
    const std::uint64_t first = offset / kPage;
    const std::uint64_t last = (offset + length - 1) / kPage;
    return found.cached < last - first + 1 ? Counted::not_all : Counted::all;
}

PageCache::Device& PageCache::device(dev_t id) {
    const auto known = std::find_if(devices_.begin(), devices_.end(),
                                    [id](const Device& d) { return d.id == id; });
    if (known != devices_.end()) return *known;
    return devices_.emplace_back(Device{.id = id});
}

std::uint64_t PageCache::cached(Device& device, int fd, std::uint64_t offset, std::uint64_t length,
                                Look look) {
    if (!device.cachestat.is_there()) return 0;
    const Counted counted = count_cached(fd, offset, length);
    if (counted == Counted::unknown) device.cachestat.failed(errno);
    if (counted != Counted::all) return 0;
    // Counted are also those that the disk is still filling, and sendfile would wait for them. A
    // read ahead fills many at a time, in order, so a look at one in so many finds it out, and
    // mostly one at the last.
    const std::uint64_t step = look == Look::close ? kFilledTogether : length;
    const std::uint64_t end = offset + length;
    for (std::uint64_t at = offset; at < end;) {
        const std::uint64_t next = std::min(at + step, end);
        char byte = 0;
        if (device.nowait.is_there() && read_cached(device, fd, &byte, 1, next - 1) < 0 &&
            device.nowait.is_there())
            return at - offset;
        at = next;
    }
    return length;
}

ssize_t PageCache::read_cached(Device& device, int fd, char* buffer, std::size_t length,
                               std::uint64_t offset) {
    if (device.nowait.is_there()) {
        const iovec vector{.iov_base = buffer, .iov_len = length};
        const ssize_t n = ::preadv2(fd, &vector, 1, static_cast<off_t>(offset), RWF_NOWAIT);
        if (n >= 0 || errno == EAGAIN || errno == EINTR) return n;
        if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL && errno != EPERM) return n;
        device.nowait.failed(errno);
    }
    errno = EAGAIN;
    return -1;
}

} // namespace fsrv::disk
