#include "worker/session/handshake.h"

#include "common/limits.h"
#include "worker/http/proxy_header.h"
#include "worker/session/http1.h"
#include "worker/session/http2.h"

#include <cerrno>
#include <sys/epoll.h>
#include <utility>

namespace fsrv::session {

Handshake::Handshake(SessionServices& services, wire::Transport transport,
                     const exchange::Client& client, std::uint64_t id)
    : Connection(services, std::move(transport), id),
      client_(client),
      wants_proxy_header_(services.options.proxy_protocol) {}

void Handshake::start(bool overloaded) {
    if (overloaded || (wants_proxy_header_ && !client_.is_trusted)) {
        close(overloaded ? CloseReason::overload : CloseReason::bad_request);
        return;
    }
    if (!wants_proxy_header_) transport_.speak_tls(*services_.tls);
    go_on_soon(); // the client's part has often come with the connection
}

void Handshake::on_deadline() {
    if (state() == State::accepted)
        close(CloseReason::header_timeout);
    else if (state() == State::handshaking)
        fail(TlsFailure::timeout);
}

void Handshake::advance() {
    if (wants_proxy_header_ && !take_proxy_header()) return;
    if (state() == State::accepted) set_state(State::handshaking);
    switch (transport_.tls()->handshake()) {
    case wire::Tls::Handshake::done:
        client_.certificate = transport_.tls()->client_names();
        begin_session();
        break;
    case wire::Tls::Handshake::clear_text: {
        services_.exchanges.score.count(Metric::tls_handshake_failures, TlsFailure::clear_text);
        transport_.speak_clear();
        become<Http1>(client_).refuse_clear_text();
        break;
    }
    case wire::Tls::Handshake::failed: fail(transport_.tls()->failure()); break;
    case wire::Tls::Handshake::wait:
        wait_for(transport_.tls()->holds_back() ? EPOLLOUT : EPOLLIN);
        break;
    }
}

// Exactly its bytes are taken: TLS begins behind them.
bool Handshake::take_proxy_header() {
    const ssize_t n = transport_.peek(services_.scratch);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        close(CloseReason::client_closed);
        return false;
    }
    const std::string_view come(services_.scratch.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
    const http::ProxyHeader header = http::parse_proxy_header(come);
    if (header.status == http::ProxyStatus::need_more && come.size() < limits::kMaxProxyHeader) {
        if (state() == State::accepted && !come.empty()) set_state(State::handshaking);
        wait_for(EPOLLIN);
        return false;
    }
    if (header.status != http::ProxyStatus::complete) {
        close(CloseReason::bad_request);
        return false;
    }
    transport_.read(std::span(services_.scratch).first(header.bytes));
    wants_proxy_header_ = false;
    if (header.has_source) client_ = exchange::client_of_proxy(header, client_, services_.options);
    transport_.speak_tls(*services_.tls);
    return true;
}

void Handshake::fail(TlsFailure why) {
    services_.exchanges.score.count(Metric::tls_handshake_failures, why);
    close(CloseReason::tls_failed);
}

void Handshake::begin_session() {
    const wire::TlsFacts facts = transport_.tls()->facts();
    services_.exchanges.score.count(Metric::tls_handshakes,
                                    facts.version == "TLSv1.3" ? TlsVersionLabel::tls_1_3
                                                               : TlsVersionLabel::tls_1_2,
                                    facts.resumed ? TlsKind::resumed : TlsKind::full);
    if (facts.http2)
        become<Http2>(client_).start(false);
    else
        become<Http1>(client_).start(false);
}

} // namespace fsrv::session
