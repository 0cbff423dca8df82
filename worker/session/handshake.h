// Handshake: a Connection until it is known what it speaks: a PROXY header, the TLS handshake. Then
// the client gets a session, and this is gone. Each step takes a turn of its own, since a handshake
// costs as much as a hundred requests: however many come, downloads go on between them. Thread: the
// loop's.
#pragma once

#include "worker/session/connection.h"

namespace fsrv::session {

class Handshake final : public Connection {
  public:
    // services.tls is there.
    Handshake(SessionServices& services, wire::Transport transport, const exchange::Client& client,
              std::uint64_t id);

    // A client for whom there is no room is not worth a handshake: it is closed.
    void start(bool overloaded) override;
    void on_tick(std::uint64_t) override {}
    void for_each_answer(const Look&) const override {}

    // Member
    void on_deadline() override;
    bool is_deserted() const override { return false; }
    void give_way() override {}
    std::uint64_t listing_bytes() const override { return 0; }

  private:
    void on_event() override { go_on_soon(); }
    void read_once() override {} // its turn comes
    void advance() override;
    bool on_closing(CloseReason) override { return false; }
    void on_lingering() override {}

    bool take_proxy_header();
    void fail(TlsFailure why);
    void begin_session();

    exchange::Client client_;
    bool wants_proxy_header_;
};

} // namespace fsrv::session
