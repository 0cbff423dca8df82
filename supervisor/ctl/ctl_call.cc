#include "supervisor/ctl/ctl_call.h"

#include "common/passed_fd.h"

#include <sys/socket.h>

namespace fsrv {

Result<CtlCall, Errno> CtlCall::ask(const sockaddr_un& server, std::string_view command) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return unexpected(Errno::last());
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0)
        return unexpected(Errno::last());
    if (send(socket.get(), command.data(), command.size(), MSG_NOSIGNAL) < 0)
        return unexpected(Errno::last());
    return CtlCall(std::move(socket));
}

Result<std::optional<CtlReply>, Errno> CtlCall::receive() {
    // A datagram, whose size it says itself.
    const ssize_t size = recv(socket_.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (size < 0) return unexpected(Errno::last());
    if (size == 0) return unexpected(Errno{ECONNRESET});
    CtlReply reply{.text = std::string(static_cast<std::size_t>(size), '\0')};
    iovec part{.iov_base = reply.text.data(), .iov_len = reply.text.size()};
    PassedFd passed;
    msghdr header{.msg_iov = &part, .msg_iovlen = 1};
    passed.make_room(header);
    if (recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC) != size)
        return unexpected(Errno{ECONNRESET});
    reply.fd = PassedFd::take(header);
    reply.good = reply.text[0] == '0';
    reply.text.erase(0, 1);
    return reply;
}

void send_ctl_reply(int socket, bool good, std::string_view text, int fd) {
    std::string reply(1, good ? '0' : '1');
    reply += text;
    iovec part{.iov_base = reply.data(), .iov_len = reply.size()};
    PassedFd passed;
    msghdr header{.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) passed.put(header, fd);
    [[maybe_unused]] const ssize_t sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

} // namespace fsrv
