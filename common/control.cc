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
    case ControlKind::announce:
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

bool send_control(int socket, const ControlMessage& message, int fd) {
    ControlMessage copy = message;
    iovec part{.iov_base = &copy, .iov_len = sizeof copy};
    PassedFd passed;
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (fd >= 0) passed.put(header, fd);
    ssize_t sent = -1;
    do sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
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
