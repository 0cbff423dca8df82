// The life of a connection: start, events, deadlines, close. What is answered: connection_http.cc.
#include "worker/net/connection.h"

#include "common/check.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/quick_calls.h"
#include "worker/net/worker.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace fsrv::net {
namespace {

// An answer that is cut like this ends by RST, so that what was sent never looks like a whole one
// and the kernel forgets what it still holds.
bool ends_by_reset(CloseReason reason) {
    switch (reason) {
    case CloseReason::file_changed:
    case CloseReason::read_error:
    case CloseReason::pause_timeout:
    case CloseReason::too_slow:
    case CloseReason::shed_paused:
    case CloseReason::grace_over:
    case CloseReason::client_aborted:
    case CloseReason::internal: return true;
    default: return false;
    }
}

} // namespace

Exchange::Exchange(const http::ParserLimits& limits)
    : capacity(limits.max_head_bytes +
               64), // a head at the limit, an empty line before it, and one byte too many
      buffer(std::make_unique<char[]>(capacity)),
      parser(limits) {}

void Exchange::received(std::size_t bytes) {
    end += bytes;
    used = std::max(used, end);
}

void Exchange::forget() {
    ::explicit_bzero(buffer.get(), used);
    begin = end = used = 0;
    parser.reset();
    lookup.forget();
}

Connection::Connection(Worker& worker, int fd, const log::Peer& peer, std::uint64_t id)
    : worker_(worker),
      peer_(peer),
      fd_(fd),
      id_(id),
      wants_proxy_header_(worker.options().proxy_protocol),
      peer_is_trusted_(any_holds(worker.options().trusted_proxies, peer.address)),
      // Who connects to a loopback address comes from one.
      checks_name_(!peer_is_trusted_ && is_loopback(peer.address) && !worker.has_any_name()) {}

Connection::~Connection() {
    FSRV_CHECK(fd_ < 0, "a connection died without close()");
}

void Connection::start(bool overloaded) {
    if (overloaded) {
        // A HEAD gets no body, and what is read cannot make a reset of the close.
        exchange_ = worker_.take_exchange();
        const ssize_t n = receive({exchange_->buffer.get(), exchange_->capacity});
        if (n > 0) exchange_->received(static_cast<std::size_t>(n));
        refuse({.status = 503, .what = "too many connections"});
        transfer_->end_reason = CloseReason::overload;
        advance();
    } else if (wants_proxy_header_ && !peer_is_trusted_) {
        refuse({.status = 400, .what = "only proxies may connect here"});
        advance();
    } else {
        on_readable(); // the request has often come with the connection
        if (state() == State::accepted) wait_for(EPOLLIN);
    }
}

// A connection that is answered and closed at once is never watched, which saves a system call.
void Connection::wait_for(std::uint32_t event) {
    wanted_ = event;
    if (!watch()) return;
    if ((ready_ & wanted_) != 0) take_turn_soon(); // it will not be told again
}

// False: it is closed, for the kernel has no memory for one more.
bool Connection::watch() {
    if (!watched_) watched_ = worker_.poller().watch_edges(fd_, *this);
    if (!watched_) close(CloseReason::internal);
    return watched_;
}

void Connection::on_ready(std::uint32_t events) {
    if (state() == State::closing) return;
    if ((events & EPOLLERR) != 0) { // in practice the peer's RST
        const bool between_requests = state() == State::idle || state() == State::accepted;
        close(state() == State::lingering ? linger_reason_
              : between_requests          ? CloseReason::client_closed
                                          : CloseReason::client_aborted);
        return;
    }
    ready_ |= events;
    if ((events & EPOLLRDHUP) != 0 && waits_for_ill_disk()) {
        close(CloseReason::client_aborted);
        return;
    }
    if (!queued_ && (ready_ & wanted_) != 0) act();
}

// What the state waits for has come.
void Connection::act() {
    switch (state()) {
    case State::accepted:
    case State::idle:
    case State::reading_head:
    case State::skipping_body: on_readable(); break;
    case State::lingering: on_linger_readable(); break;
    case State::paused:
        end_swiftness();
        set_state(State::sending);
        [[fallthrough]];
    case State::sending: advance_in_turn(); break;
    case State::preparing:
    case State::closing: break;
    }
}

// Bytes received; 0 at the end, -1 when there are none now or the connection is broken.
ssize_t Connection::receive(std::span<char> room) {
    ssize_t n = 0;
    do n = quick_recv(fd_, room.data(), room.size(), 0);
    while (n < 0 && errno == EINTR);
    // Fewer than there was room for: that was all, but for the end if that has come.
    const bool all = n < 0 || (n < static_cast<ssize_t>(room.size()) && (ready_ & EPOLLRDHUP) == 0);
    if (all) ready_ &= ~std::uint32_t{EPOLLIN};
    return n;
}

void Connection::on_readable() {
    if (!exchange_) exchange_ = worker_.take_exchange();
    Exchange& x = *exchange_;
    if (x.end == x.capacity && x.begin > 0) {
        std::memmove(x.buffer.get(), x.buffer.get() + x.begin, x.end - x.begin);
        x.end -= x.begin;
        x.begin = 0;
    }
    FSRV_CHECK(x.end < x.capacity, "the parser asked for more than its limit");
    const ssize_t n = receive({x.buffer.get() + x.end, x.capacity - x.end});
    if (n < 0 && errno == EAGAIN) {
        if (x.begin == x.end && state() != State::skipping_body) drop_exchange();
        return;
    }
    if (n <= 0) {
        const bool between_requests = state() == State::idle || state() == State::accepted;
        close(between_requests ? CloseReason::client_closed : CloseReason::client_aborted);
        return;
    }
    x.received(static_cast<std::size_t>(n));
    waited_ms_ = 0;
    if (state() != State::skipping_body && state() != State::reading_head)
        set_state(State::reading_head);
    advance();
}

void Connection::advance() {
    for (unsigned turn = 0; turn < limits::kPipelineBatch; ++turn) {
        bool more = false;
        switch (state()) {
        case State::reading_head:
            more = wants_proxy_header_ ? take_proxy_header() : take_head();
            break;
        case State::sending: more = send_some(); break;
        case State::skipping_body: more = skip_body(); break;
        default: break; // an event goes on from here
        }
        if (!more) return;
    }
    go_on_soon();
}

// A big download takes its turn with the others, behind what has come in: those who ask for little
// wait for one turn, not for one of each.
void Connection::advance_in_turn() {
    if (transfer_->sender.bytes_sent() >= limits::kTurnBytes) {
        go_on_soon();
    } else {
        advance();
    }
}

void Connection::go_on_soon() {
    wanted_ = 0;
    take_turn_soon();
}

// Two turns at once would start two reads.
void Connection::take_turn_soon() {
    if (std::exchange(queued_, true)) return;
    worker_.continue_soon(*this);
    retain();
}

void Connection::go_on() {
    queued_ = false;
    if (state() != State::closing) {
        if (wanted_ == 0)
            advance();
        else
            act();
    }
    release();
}

// What came early waits in as many bytes as it has. A body that is not skipped yet costs the
// connection its next request.
void Connection::stow_what_came_early() {
    if (!exchange_) return;
    if (transfer_->skip_body) {
        transfer_->keep_alive = false;
    } else {
        transfer_->leftover = std::string(exchange_->unparsed());
    }
    drop_exchange();
}

void Connection::pause() {
    transfer_->sender.release_buffer();
    stow_what_came_early();
    // What is queued stays, and its place with it, until the client reads on.
    if (swift_) set_queue_mark(limits::kNotSentLowat);
    set_state(State::paused);
    wait_for(EPOLLOUT);
    // Should room have come without an event (the kernel had no memory, not the socket), nothing
    // but this would help.
    worker_.poller().tell_again(fd_, *this);
    log_debug("conn={} paused after {} bytes", id_, transfer_->sender.body_bytes_sent());
}

void Connection::on_deadline() {
    switch (state()) {
    case State::accepted: close(CloseReason::header_timeout); break;
    case State::idle:
        if (!may_wait_for_taker()) close(CloseReason::idle_timeout);
        break;
    case State::reading_head:
        refuse({.status = 408, .what = "the request did not arrive in time"});
        transfer_->end_reason = CloseReason::header_timeout;
        advance();
        break;
    case State::skipping_body: enter_lingering(CloseReason::header_timeout); break;
    case State::sending: // a slow disk is not the client's fault
        if (!transfer_->sender.read_under_way()) pause();
        break;
    case State::paused: close(CloseReason::pause_timeout); break;
    case State::lingering:
        if (!may_wait_for_taker()) close(linger_reason_);
        break;
    case State::preparing: refuse_look_up("the disk is too busy, try again soon"); break;
    case State::closing: break;
    }
}

// An answer has begun, and its disk does not answer: who ends its side now has given up.
bool Connection::waits_for_ill_disk() const {
    if (state() != State::sending || !transfer_->sender.read_under_way()) return false;
    return worker_.pool().is_ill(transfer_->sender.read_device());
}

std::uint64_t Connection::bytes_not_taken() const {
    int bytes = 0;
    return ::ioctl(fd_, SIOCOUTQ, &bytes) == 0 ? static_cast<std::uint64_t>(bytes) : 0;
}

// Whoever takes its time for the end of an answer is paused like any other, though all is with the
// kernel: that would forget it some minutes after a close.
bool Connection::may_wait_for_taker() {
    const auto pause_ms = static_cast<std::uint64_t>(worker_.options().pause_timeout.count());
    waited_ms_ += worker_.now_ms() - since_ms();
    if (waited_ms_ >= pause_ms || worker_.server_stops() || bytes_not_taken() == 0) return false;
    worker_.touched(*this);
    return true;
}

bool Connection::leave(CloseReason reason) {
    on_readable();
    if (state() != State::idle && state() != State::accepted) return state() == State::closing;
    // close(2) would reset should the client send meanwhile, and what is on its way would be lost.
    if (state() == State::idle && bytes_not_taken() > 0)
        enter_lingering(reason);
    else
        close(reason);
    return true;
}

void Connection::give_way() {
    refuse_look_up("the server is full, try again later", false);
}

bool Connection::is_deserted() const {
    return state() == State::preparing && (ready_ & EPOLLRDHUP) != 0;
}

// What counts is what the client has taken: the socket takes more in large steps, with pauses
// between them that are none.
void Connection::check_rate(std::uint64_t now_ms) {
    const auto window_ms = static_cast<std::uint64_t>(worker_.options().stall_timeout.count());
    const bool begins = transfer_->window_start_ms == 0 || transfer_->sender.read_under_way();
    const std::uint64_t elapsed_ms = now_ms - transfer_->window_start_ms;
    if (!begins && elapsed_ms < window_ms) return;
    const std::uint64_t sent = transfer_->sender.bytes_sent();
    const std::uint64_t taken = sent - std::min(sent, bytes_not_taken());
    const std::uint64_t moved = taken - std::min(taken, transfer_->window_bytes);
    if (!begins && moved > 0 && moved * 1000 / elapsed_ms < worker_.options().min_rate) {
        close(CloseReason::too_slow);
        return;
    }
    transfer_->window_start_ms = now_ms;
    transfer_->window_bytes = taken;
}

void Connection::enter_lingering(CloseReason reason) {
    drop_exchange();
    transfer_.reset();
    linger_reason_ = reason;
    if (::shutdown(fd_, SHUT_WR) != 0) {
        close(reason);
        return;
    }
    set_state(State::lingering);
    wait_for(EPOLLIN);
}

void Connection::on_linger_readable() {
    auto& scratch = worker_.scratch_bytes();
    const ssize_t n = receive(scratch);
    if (n < 0 && errno == EAGAIN) return;
    if (n > 0) lingered_bytes_ += static_cast<std::uint64_t>(n);
    if (n <= 0 || lingered_bytes_ > limits::kMaxLingerBytes) {
        close(linger_reason_);
    } else {
        wait_for(EPOLLIN);
    }
}

void Connection::close(CloseReason reason) {
    if (state() == State::closing) return;
    if (transfer_) log_answer(name_of(reason));
    worker_.count_close(reason);
    set_state(State::closing);
    drop_exchange();
    end_swiftness();
    if (transfer_ && ends_by_reset(reason)) { // an earlier answer may still be on its way
        const linger reset{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    ::close(std::exchange(fd_, -1));
    release();
}

void Connection::set_state(State state) {
    worker_.connections().move(*this, state, worker_.now_ms());
}

void Connection::drop_exchange() {
    if (!exchange_) return;
    if (exchange_->lookup.is_under_way()) {
        exchange_.release()->lookup.cancel();
    } else {
        worker_.give_back(std::move(exchange_));
    }
}

void Connection::release() {
    if (--pending_ == 0) worker_.bury(*this);
}

} // namespace fsrv::net
