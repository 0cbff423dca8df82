#include "common/control.h"

#include "common/passed_fd.h"

#include <cerrno>
#include <poll.h>
#include <sys/socket.h>

namespace fsrv {
namespace {

bool is_known(ControlKind kind) {
    switch (kind) {
    case ControlKind::serve:
    case ControlKind::unserve:
    case ControlKind::drain:
    case ControlKind::log_file:
    case ControlKind::retire:
    case ControlKind::ready:
    case ControlKind::leaving: return true;
    }
    return false;
}

// An empty datagram and the end of file both read as 0 bytes; only the latter hangs up.
bool peer_is_gone(int socket) {
    pollfd p{.fd = socket, .events = POLLRDHUP, .revents = 0};
    return poll(&p, 1, 0) != 0;
}

} // namespace

Result<ControlPair, Errno> open_control_pair() {
    int ends[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return unexpected(Errno::last());
    refuse_descriptors(ends[0]);
    return ControlPair{.supervisor = UniqueFd(ends[0]), .worker = UniqueFd(ends[1])};
}

bool send_control(int socket, const ControlMessage& message, int fd) {
    ControlMessage copy = message;
    iovec part{.iov_base = &copy, .iov_len = sizeof copy};
    PassedFd passed;
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (fd >= 0) passed.put(header, fd);
    ssize_t sent = -1;
    // A worker's sandbox keeps it from sendmsg() on this socket, for what that can attach.
    do
        sent = fd < 0 ? send(socket, &copy, sizeof copy, MSG_DONTWAIT | MSG_NOSIGNAL)
                      : sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == static_cast<ssize_t>(sizeof copy);
}

Received receive_control(int socket) {
    Received received{.status = ReceiveStatus::malformed};
    iovec part{.iov_base = &received.message, .iov_len = sizeof received.message};
    PassedFd passed;
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    passed.make_room(header);

    ssize_t size = -1;
    do size = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    if (size < 0) {
        // Out of memory: the message is still there.
        const bool nothing = errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS;
        received.status = nothing ? ReceiveStatus::nothing : ReceiveStatus::closed;
        return received;
    }
    received.fd = PassedFd::take(header);
    if (size == 0 && peer_is_gone(socket))
        received.status = ReceiveStatus::closed;
    else if (size == static_cast<ssize_t>(sizeof received.message) &&
             (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && is_known(received.message.kind))
        received.status = ReceiveStatus::message;
    return received;
}

} // namespace fsrv
