// Http1: a Connection that speaks HTTP/1.1 or 1.0 (RFC 9112): heads and bodies of requests, framing
// of answers, pipelining, one Exchange at a time; and a PROXY header before the first request.
// Thread: the loop's.
#pragma once

#include "worker/exchange/exchange.h"
#include "worker/http/parser.h"
#include "worker/http/plan.h"
#include "worker/session/chunk_framing.h"
#include "worker/session/connection.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace fsrv::session {

class Http1 final : public Connection, public exchange::ExchangeHome {
  public:
    // `client` has said what a PROXY header could, unless `wants_proxy_header`.
    Http1(SessionServices& services, wire::Transport transport, const exchange::Client& client,
          std::uint64_t id, bool wants_proxy_header = false);

    // Instead of start(): the client did not speak TLS.
    void refuse_clear_text();

    void start(bool overloaded) override;
    void on_tick(std::uint64_t now_ms) override;
    void for_each_answer(const Look& look) const override;
    const exchange::Answer* answer() const { return exchange_.answer(); } // none: nothing is sent

    // Member
    void on_deadline() override;
    bool is_deserted() const override;
    void give_way() override;
    std::uint64_t listing_bytes() const override;

  private:
    // ExchangeHome
    void on_planned(http::Plan plan) override;
    void on_unavailable(http::Plan plan) override;
    void on_body() override;
    void on_ration() override;
    void on_body_given_up() override { go_on_soon(); }
    void on_disk_ill() override;
    void on_listings_full() override;
    std::optional<log::TlsNote> tls_note() const override;

    // Connection
    void on_event() override;
    void read_once() override;
    void on_peer_end() override;
    void advance() override;
    bool on_closing(CloseReason reason) override;
    void on_lingering() override;

    void take_inquiry();
    void drop_inquiry();
    void wait_for_rest();
    bool take_proxy_header();
    bool became_http2();
    bool take_head();
    bool respond_at_once(const exchange::CachedFile& file, const exchange::CachedCoding* coded);
    void respond(http::Plan plan);
    void respond_unavailable(http::Plan plan);
    void refuse(const http::Refusal& refusal, CloseReason reason = CloseReason::bad_request);
    void frame(exchange::Answer& answer, const http::Plan& plan, bool keep_alive);
    void begin_sending();

    bool send_some();
    bool send_failed();
    bool finish_response();
    bool skip_body();
    bool next_request();
    void advance_in_turn();
    void rest();
    void pause();
    void let_queue_grow();
    void end_swiftness();
    void stow_what_came_early();
    bool waits_for_ill_disk() const;

    exchange::Exchange exchange_;
    std::unique_ptr<Http1Inquiry> inquiry_;
    std::unique_ptr<ChunkFraming> chunks_; // of an answer of unknown length, while it is sent
    exchange::Client client_;
    bool swift_ = false;      // has one of the places for those whose queue may grow
    bool wants_proxy_header_; // first of all
    bool is_first_ = true;    // nothing was asked yet
    // Of the answer under way.
    bool keep_alive_ = false;
    bool skip_body_ = false;     // of the request, before the next one
    bool client_closes_ = false; // the client announced that nothing follows: no need to linger
};

} // namespace fsrv::session
