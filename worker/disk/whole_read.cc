#include "worker/disk/whole_read.h"

#include <cerrno>
#include <sys/uio.h>
#include <unistd.h>

namespace fsrv::disk {

std::int64_t read_whole(int fd, char* buffer, std::size_t length, std::uint64_t offset) {
    std::size_t have = 0;
    while (have < length) {
        const ssize_t n =
            ::pread(fd, buffer + have, length - have, static_cast<off_t>(offset + have));
        if (n == 0) break;
        if (n > 0) {
            have += static_cast<std::size_t>(n);
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return static_cast<std::int64_t>(have);
}

std::int64_t read_in_memory(int fd, char* buffer, std::size_t length, std::uint64_t offset) {
    const iovec all{.iov_base = buffer, .iov_len = length};
    const ssize_t n = ::preadv2(fd, &all, 1, static_cast<off_t>(offset), RWF_NOWAIT);
    if (n < 0) return -errno;
    return static_cast<std::size_t>(n) == length ? n : -EAGAIN;
}

} // namespace fsrv::disk
