#include "common/control.h"

#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>

namespace fsrv {
namespace {

// Aligned as the kernel's records must be. With the padding a second descriptor may fit; see
// take_descriptors().
union Ancillary {
    cmsghdr alignment;
    char bytes[CMSG_SPACE(sizeof(int))];
};

bool is_known(ControlKind kind) {
    switch (kind) {
    case ControlKind::serve:
    case ControlKind::unserve:
    case ControlKind::drain:
    case ControlKind::log_file:
    case ControlKind::announce:
    case ControlKind::retire:
    case ControlKind::ready:
    case ControlKind::leaving: return true;
    }
    return false;
}

UniqueFd take_descriptor(msghdr& header) {
    const cmsghdr* c = CMSG_FIRSTHDR(&header);
    if (c == nullptr || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(sizeof(int)))
        return {};
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return UniqueFd(fd);
}

// An empty datagram and the end of file both read as 0 bytes; only the latter hangs up.
bool peer_is_gone(int socket) {
    pollfd p{.fd = socket, .events = POLLRDHUP, .revents = 0};
    return poll(&p, 1, 0) != 0;
}

} // namespace

bool send_control(int socket, const ControlMessage& message, int fd) {
    ControlMessage copy = message;
    iovec part{.iov_base = &copy, .iov_len = sizeof copy};
    Ancillary ancillary{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (fd >= 0) {
        header.msg_control = &ancillary;
        header.msg_controllen = CMSG_SPACE(sizeof fd);
        cmsghdr* c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    ssize_t sent = -1;
    do sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == static_cast<ssize_t>(sizeof copy);
}

Received receive_control(int socket) {
    Received received{.status = ReceiveStatus::malformed};
    iovec part{.iov_base = &received.message, .iov_len = sizeof received.message};
    Ancillary ancillary{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = &ancillary;
    // Without the padding of CMSG_SPACE, where a second one would fit. The kernel closes what does
    // not, and says so.
    header.msg_controllen = CMSG_LEN(sizeof(int));

    ssize_t size = -1;
    do size = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    if (size < 0) {
        // Out of memory: the message is still there.
        const bool nothing = errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS;
        received.status = nothing ? ReceiveStatus::nothing : ReceiveStatus::closed;
        return received;
    }
    received.fd = take_descriptor(header);
    if (size == 0 && peer_is_gone(socket))
        received.status = ReceiveStatus::closed;
    else if (size == static_cast<ssize_t>(sizeof received.message) &&
             (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && is_known(received.message.kind))
        received.status = ReceiveStatus::message;
    return received;
}

} // namespace fsrv
