#include "worker/session/connection.h"

#include "common/check.h"
#include "common/limits.h"

#include <cerrno>
#include <sys/epoll.h>
#include <utility>

namespace fsrv::session {
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

Connection::Connection(SessionServices& services, wire::Transport transport, std::uint64_t id)
    : services_(services), transport_(std::move(transport)), id_(id) {
    transport_.rewatch(services.poller, *this);
}

void Connection::wait_for(std::uint32_t events) {
    wanted_ = events;
    if (!watch()) return;
    if (transport_.is_ready(wanted_)) take_turn_soon(); // it will not be told again
}

bool Connection::watch() {
    const bool watched = transport_.watch(services_.poller, *this);
    if (!watched) close(CloseReason::internal);
    return watched;
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
    transport_.came(events);
    if ((events & EPOLLRDHUP) != 0) {
        on_peer_end();
        if (state() == State::closing) return;
    }
    if (!queued_ && transport_.is_ready(wanted_)) act();
}

void Connection::act() {
    if (state() == State::lingering)
        on_linger_readable();
    else
        on_event();
}

void Connection::go_on_soon() {
    wanted_ = 0;
    take_turn_soon();
}

// Two turns at once would start two reads.
void Connection::take_turn_soon() {
    if (std::exchange(queued_, true)) return;
    services_.turns.add(*this);
    ++pending_;
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

// Whoever takes its time for the end of an answer is paused like any other, though all is with the
// kernel: that would forget it some minutes after a close.
bool Connection::may_wait_for_taker() {
    const auto pause_ms = static_cast<std::uint64_t>(services_.options.pause_timeout.count());
    waited_ms_ += now_ms() - since_ms();
    if (waited_ms_ >= pause_ms || services_.exchanges.ending.of_server() ||
        transport_.untaken() == 0)
        return false;
    touch();
    return true;
}

bool Connection::leave(CloseReason reason) {
    read_once();
    if (state() != State::idle && state() != State::accepted) return state() == State::closing;
    // close(2) would reset should the client send meanwhile, and what is on its way would be lost.
    if (state() == State::idle && transport_.untaken() > 0)
        enter_lingering(reason);
    else
        close(reason);
    return true;
}

void Connection::enter_lingering(CloseReason reason) {
    on_lingering();
    linger_reason_ = reason;
    if (!transport_.finish()) {
        close(reason);
        return;
    }
    set_state(State::lingering);
    wait_for(EPOLLIN);
}

void Connection::on_linger_readable() {
    const ssize_t n = transport_.read(services_.scratch);
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
    const bool cut = on_closing(reason);
    leave_place();
    services_.exchanges.score.count(Metric::closed, to_label(reason));
    set_state(State::closing);
    if (cut && ends_by_reset(reason)) { // an earlier answer may still be on its way
        transport_.reset();
    } else {
        transport_.close();
    }
    release();
}

std::optional<log::TlsNote> Connection::tls_note() const {
    if (!transport_.tls()) return std::nullopt;
    const wire::TlsFacts facts = transport_.tls()->facts();
    return log::TlsNote{.version = facts.version,
                        .cipher = facts.cipher,
                        .server_name = facts.server_name,
                        .resumed = facts.resumed};
}

wire::Transport Connection::hand_over() {
    set_state(State::closing);
    wire::Transport transport = std::move(transport_);
    release();
    return transport;
}

void Connection::set_state(State state) {
    services_.connections.move(*this, state, now_ms());
}

void Connection::touch() {
    services_.connections.touch(*this, now_ms());
}

void Connection::release() {
    if (--pending_ != 0) return;
    services_.connections.bury(*this);
    services_.exchanges.score.set(Metric::connections, services_.connections.count());
}

} // namespace fsrv::session
