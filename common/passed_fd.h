// A descriptor that travels with a datagram (SCM_RIGHTS), and one at most.
#pragma once

#include "common/unique_fd.h"

#include <cstring>
#include <sys/socket.h>

namespace fsrv {

// From now on nobody can attach a descriptor to what this Unix socket receives, nor to what those
// receive that are accepted on it; who tries gets EPERM. To drop one can take as long as a stranger
// likes: a TCP socket with unsent bytes and SO_LINGER sleeps in close(). False: the kernel cannot
// (before Linux 6.16).
inline bool refuse_descriptors(int socket) {
    constexpr int kPassRights = 83; // SO_PASSRIGHTS, younger than the headers
    const int off = 0;
    return setsockopt(socket, SOL_SOCKET, kPassRights, &off, sizeof off) == 0;
}

class PassedFd final {
  public:
    // To send: `header` is of this object until it was sent.
    void put(msghdr& header, int fd) {
        header.msg_control = &room_;
        header.msg_controllen = CMSG_SPACE(sizeof fd);
        cmsghdr* c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    // To receive. Without the padding of CMSG_SPACE, where a second one would fit. The kernel
    // closes what does not, and says so.
    void make_room(msghdr& header) {
        header.msg_control = &room_;
        header.msg_controllen = CMSG_LEN(sizeof(int));
    }
    static UniqueFd take(msghdr& header) {
        const cmsghdr* c = CMSG_FIRSTHDR(&header);
        if (c == nullptr || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
            c->cmsg_len != CMSG_LEN(sizeof(int)))
            return {};
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
        return UniqueFd(fd);
    }

  private:
    // Aligned as the kernel's records must be.
    union {
        cmsghdr alignment;
        char bytes[CMSG_SPACE(sizeof(int))];
    } room_{};
};

} // namespace fsrv
