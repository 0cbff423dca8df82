#include "worker/wire/transport.h"

#include "common/check.h"
#include "common/quick_calls.h"

#include <cerrno>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace fsrv::wire {

Transport::~Transport() {
    FSRV_CHECK(fd_ < 0, "a connection died without close()");
}

Transport::Transport(Transport&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      tls_(std::move(other.tls_)),
      ready_(other.ready_),
      watched_(other.watched_) {}

void Transport::rewatch(loop::Poller& poller, loop::PollTarget& target) {
    if (watched_) poller.tell_again(fd_, target);
}

bool Transport::watch(loop::Poller& poller, loop::PollTarget& target) {
    if (!watched_) watched_ = poller.watch_edges(fd_, target);
    return watched_;
}

void Transport::ask_again(loop::Poller& poller, loop::PollTarget& target) {
    poller.tell_again(fd_, target);
}

ssize_t Transport::read(std::span<char> room) {
    if (tls_) {
        const ssize_t n = tls_->read(room);
        if (n < 0 || (n > 0 && !tls_->may_have_more() && !peer_has_ended()))
            ready_ &= ~std::uint32_t{EPOLLIN};
        return n;
    }
    ssize_t n = 0;
    do n = quick_recv(fd_, room.data(), room.size(), 0);
    while (n < 0 && errno == EINTR);
    // Fewer than there was room for: that was all, but for the end if that has come.
    const bool all = n < 0 || (n < static_cast<ssize_t>(room.size()) && !peer_has_ended());
    if (all) ready_ &= ~std::uint32_t{EPOLLIN};
    return n;
}

ssize_t Transport::peek(std::span<char> room) {
    const ssize_t n = ::recv(fd_, room.data(), room.size(), MSG_PEEK | MSG_DONTWAIT);
    if (n < static_cast<ssize_t>(room.size()) && !peer_has_ended())
        ready_ &= ~std::uint32_t{EPOLLIN};
    return n;
}

ssize_t Transport::write(std::string_view bytes) {
    if (tls_) {
        const iovec vector = to_vector(bytes);
        return tls_->write({&vector, 1});
    }
    return quick_send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t Transport::write(std::span<iovec> vectors, bool more_follows) {
    if (tls_) return tls_->write(vectors);
    if (!more_follows) return quick_writev(fd_, vectors.data(), vectors.size());
    const msghdr message{.msg_name = nullptr,
                         .msg_namelen = 0,
                         .msg_iov = vectors.data(),
                         .msg_iovlen = vectors.size(),
                         .msg_control = nullptr,
                         .msg_controllen = 0,
                         .msg_flags = 0};
    return quick_sendmsg(fd_, message, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE);
}

ssize_t Transport::write_file(int file, std::uint64_t offset, std::uint64_t length) {
    auto position = static_cast<off_t>(offset);
    return ::sendfile(fd_, file, &position, static_cast<std::size_t>(length));
}

ssize_t Transport::lend(PageLender& lender, std::string_view before, std::string_view pages,
                        bool more_follows) {
    return lender.send(fd_, before, pages, more_follows);
}

std::uint64_t Transport::untaken() const {
    int bytes = 0;
    return ::ioctl(fd_, SIOCOUTQ, &bytes) == 0 ? static_cast<std::uint64_t>(bytes) : 0;
}

void Transport::bound_queue(int bytes) {
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

bool Transport::finish() {
    if (tls_) tls_->end();
    return ::shutdown(fd_, SHUT_WR) == 0;
}

void Transport::close() {
    if (tls_) tls_->end();
    tls_.reset();
    ::close(std::exchange(fd_, -1));
}

void Transport::reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    tls_.reset(); // and its end is not announced
    close();
}

} // namespace fsrv::wire
