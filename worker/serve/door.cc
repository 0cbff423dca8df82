#include "worker/serve/door.h"

#include "common/limits.h"
#include "common/log.h"
#include "worker/session/handshake.h"
#include "worker/session/http1.h"

#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace fsrv::serve {

Door::Door(session::SessionServices& services, std::span<const ListenSocket> sockets, unsigned slot)
    : services_(services), slot_(slot) {
    for (const ListenSocket& socket : sockets)
        listeners_.push_back(std::make_unique<Listener>(*this, socket));
}

void Door::serve_slot(unsigned slot, bool on) {
    if (services_.exchanges.ending.draining) return;
    for (const auto& listener : listeners_) {
        if (listener->socket().slot != slot || listener->active() == on) continue;
        if (on) {
            listener->start();
        } else {
            listener->stop();
        }
    }
}

void Door::tick() {
    if (paused_ && accept_.is_there()) {
        paused_ = false;
        for (const auto& listener : listeners_) listener->resume();
    }
    for (const auto& listener : listeners_)
        if (listener->is_due(now_ms())) listener->resume();
}

void Door::let_in(int fd, const log::Peer& peer, const ListenSocket& from) {
    using Admission = session::Connections::Admission;
    ScoreSlot& score = services_.exchanges.score;
    session::Connections& connections = services_.connections;
    score.count(Metric::accepted);
    const Admission admission = connections.admit(now_ms());
    if (admission == Admission::turned_away) {
        turn_away(fd, !speaks_tls(from));
        return;
    }
    session::Connection* const connection = make(fd, peer, from);
    connections.add(*connection, admission, now_ms());
    if (exchange::ClientLimits* const limited = services_.exchanges.client_limits;
        limited && limited->counts_connections() &&
        !any_holds(services_.options.trusted_proxies, peer.address))
        connection->hold(limited->hold(peer.address));
    score.set(Metric::connections, connections.count());
    connection->start(admission == Admission::overloaded);
}

bool Door::speaks_tls(const ListenSocket& socket) const {
    return services_.tls && !socket.unix_socket && socket.redirects_to == 0;
}

session::Connection* Door::make(int fd, const log::Peer& peer, const ListenSocket& from) {
    exchange::Client client = exchange::client_of(peer, services_.exchanges);
    client.redirects_to = from.redirects_to;
    wire::Transport transport(fd);
    if (speaks_tls(from))
        return new session::Handshake(services_, std::move(transport), client, next_id_++);
    return new session::Http1(services_, std::move(transport), client, next_id_++,
                              services_.options.proxy_protocol);
}

// What has come is read, or the close would be a reset, and the answer lost with it.
void Door::turn_away(int fd, bool clear) {
    static constexpr std::string_view kAnswer = "HTTP/1.1 503 Service Unavailable\r\n"
                                                "Retry-After: 5\r\n"
                                                "Content-Length: 0\r\n"
                                                "Connection: close\r\n\r\n";
    const auto read_all = [&] {
        while (::recv(fd, services_.scratch.data(), services_.scratch.size(), MSG_DONTWAIT) > 0) {
        }
    };
    read_all();
    if (clear) ::send(fd, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(fd, SHUT_WR);
    read_all();
    ::close(fd);
    services_.exchanges.score.count(Metric::closed, to_label(CloseReason::turned_away));
}

void Door::tell_of_trouble(int error) {
    if (told_ms_ != 0 && now_ms() - told_ms_ < limits::kTroubleReportMs) return;
    log_warn("slot={} cannot accept: {}; trying again every {} ms", slot_, errno_text(error),
             limits::kAcceptPauseMs);
    told_ms_ = now_ms();
}

void Door::cannot_accept(int error) {
    tell_of_trouble(error);
    accept_.failed(error);
    paused_ = true;
    for (const auto& listener : listeners_) listener->suspend();
}

void Door::let_all_in() {
    for (const auto& listener : listeners_)
        if (listener->active()) listener->accept_batch(limits::kListenBacklog);
}

void Door::shut() {
    for (const auto& listener : listeners_) {
        listener->stop();
        ::close(listener->socket().fd); // this process's copy
    }
}

} // namespace fsrv::serve
