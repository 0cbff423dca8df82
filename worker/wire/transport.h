// Transport: the way to one client and back: its socket, what is known of the socket's readiness,
// and every call that moves bytes. The only code that writes to a client.
//
// Calls that move bytes never wait. They return what recv(2) and send(2) do: a number of bytes, or
// -1 and errno; after EAGAIN, is_ready() is false for what has to come. The process ignores
// SIGPIPE.
//
// Readiness is told edge by edge (loop/poller.h): came() keeps it in mind until a call finds
// nothing more. Thread: the loop's.
#pragma once

#include "worker/loop/poller.h"
#include "worker/wire/page_lender.h"
#include "worker/wire/tls.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <sys/epoll.h>
#include <sys/types.h>
#include <sys/uio.h>

namespace fsrv::wire {

inline iovec to_vector(std::string_view bytes) {
    return {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
}

class Transport final {
  public:
    // Takes over the accepted, non-blocking socket.
    explicit Transport(int fd) : fd_(fd) {}
    // The other one is as after close(). Who watched it is told nothing more after rewatch().
    Transport(Transport&& other) noexcept;
    Transport& operator=(Transport&&) = delete;
    ~Transport(); // after close() or reset()

    // Nothing was read or written yet: what follows is TLS, a handshake first.
    void speak_tls(TlsContext& context) { tls_ = std::make_unique<Tls>(context, fd_); }
    // It was none: what follows is clear.
    void speak_clear() { tls_.reset(); }
    Tls* tls() { return tls_.get(); } // none: it is clear
    const Tls* tls() const { return tls_.get(); }
    // The kernel sends files and lent pages by itself. Else only bytes that can be read here.
    bool lends() const { return !tls_; }

    // Events go to `target` from now on; false: the kernel has no memory for one more. One that is
    // never watched saves a system call.
    bool watch(loop::Poller& poller, loop::PollTarget& target);
    void rewatch(loop::Poller& poller, loop::PollTarget& target); // of another owner
    void came(std::uint32_t events) {
        ready_ |= events;
        if (tls_ && (events & EPOLLIN) != 0) tls_->socket_has_more();
    }
    bool is_ready(std::uint32_t event) const { return (ready_ & event) != 0; }
    // The client will send no more, or has gone: nobody tells these two apart.
    bool peer_has_ended() const { return is_ready(EPOLLRDHUP); }
    // Tells anew what is ready now, should room have come without an event (the kernel had no
    // memory, not the socket).
    void ask_again(loop::Poller& poller, loop::PollTarget& target);

    ssize_t read(std::span<char> room); // 0: the end
    ssize_t write(std::string_view bytes);
    // `more_follows`: what is sent now need not leave by itself (MSG_MORE). `vectors` may be
    // changed.
    ssize_t write(std::span<iovec> vectors, bool more_follows);
    // Of a file, by the kernel alone (sendfile). 0: the file ends there.
    ssize_t write_file(int file, std::uint64_t offset, std::uint64_t length);
    // `before`, which may change afterwards, then pages that nobody writes to; at most
    // limits::kChunkBytes together.
    ssize_t lend(PageLender& lender, std::string_view before, std::string_view pages,
                 bool more_follows);
    // After it, EAGAIN in effect: the socket had no room for all of it.
    void was_full() { ready_ &= ~std::uint32_t{EPOLLOUT}; }
    // What was taken is with the kernel: true. False: errno says why not, EAGAIN until there is
    // room.
    bool flush() { return !tls_ || tls_->flush(); }
    // Bytes that have come, without taking them. As recv(2).
    ssize_t peek(std::span<char> room);

    // Bytes that the client has not acknowledged yet.
    std::uint64_t untaken() const;
    // TCP_NOTSENT_LOWAT: there is room while less than that waits to be sent. 0: by the kernel's
    // own limits alone.
    void bound_queue(int bytes);

    // No more will be sent: half-closes. False: there is nobody any more.
    bool finish();
    void close(); // what is on its way is the kernel's to deliver
    void reset(); // what is on its way is lost, and the client is told so

  private:
    int fd_;
    std::unique_ptr<Tls> tls_;
    std::uint32_t ready_ = 0; // events that came, until a call found nothing more
    bool watched_ = false;
};

} // namespace fsrv::wire
