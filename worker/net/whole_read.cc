#include "worker/net/whole_read.h"

#include <cerrno>
#include <unistd.h>

namespace fsrv::net {

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

} // namespace fsrv::net
