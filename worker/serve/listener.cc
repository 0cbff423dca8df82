#include "worker/serve/listener.h"

#include "common/limits.h"
#include "worker/serve/door.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>

namespace fsrv::serve {
namespace {

log::Peer to_peer(const sockaddr_storage& address) {
    log::Peer peer;
    if (address.ss_family == AF_INET6) {
        sockaddr_in6 six{};
        std::memcpy(&six, &address, sizeof six);
        peer.address = six.sin6_addr;
        peer.port = ntohs(six.sin6_port);
    } else if (address.ss_family == AF_INET) {
        sockaddr_in four{};
        std::memcpy(&four, &address, sizeof four);
        peer.address.s6_addr[10] = 0xFF;
        peer.address.s6_addr[11] = 0xFF;
        std::memcpy(&peer.address.s6_addr[12], &four.sin_addr, 4);
        peer.port = ntohs(four.sin_port);
    }
    return peer;
}

// What accept(2) reports of the connection rather than of this process: the next one may be fine.
bool peer_is_to_blame(int error) {
    static constexpr int kPeerErrors[] = {ECONNABORTED, EPROTO,      EPERM,  ENETDOWN,
                                          ENOPROTOOPT,  EHOSTDOWN,   ENONET, EHOSTUNREACH,
                                          EOPNOTSUPP,   ENETUNREACH, EINTR};
    return std::find(std::begin(kPeerErrors), std::end(kPeerErrors), error) !=
           std::end(kPeerErrors);
}

// Of the process or the system: no socket would accept.
bool is_out_of_room(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

} // namespace

void Listener::start() {
    active_ = true;
    resume();
}

void Listener::stop() {
    active_ = false;
    suspend();
}

void Listener::suspend() {
    door_.poller().remove(socket_.fd);
}

void Listener::resume() {
    broken_until_ms_ = 0;
    if (!active_ || !door_.accepting()) return;
    const bool watched = door_.poller().watch_shared(socket_.fd, *this);
    if (!watched && errno != EEXIST) door_.cannot_accept(errno);
}

void Listener::on_ready(std::uint32_t) {
    accept_batch(limits::kAcceptBatch);
}

void Listener::accept_batch(unsigned limit) {
    for (unsigned i = 0; i < limit && door_.accepting(); ++i) {
        sockaddr_storage address{};
        socklen_t length = sizeof address;
        const int fd = ::accept4(socket_.fd, reinterpret_cast<sockaddr*>(&address), &length,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            door_.let_in(fd, to_peer(address), socket_);
        } else if (errno == EAGAIN) {
            return;
        } else if (is_out_of_room(errno)) {
            door_.cannot_accept(errno);
            return;
        } else if (!peer_is_to_blame(errno)) {
            broken_until_ms_ = door_.now_ms() + limits::kAcceptPauseMs;
            door_.tell_of_trouble(errno);
            suspend();
            return;
        }
    }
}

} // namespace fsrv::serve
