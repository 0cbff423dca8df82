// Http1: a Connection that speaks HTTP/1.1 or 1.0 (RFC 9112): heads and bodies of requests, framing
// of answers, pipelining, one Exchange at a time; and a PROXY header before the first request.
// Thread: the loop's.
#pragma once

#include "worker/exchange/exchange.h"
#include "worker/http/parser.h"
#include "worker/http/plan.h"
#include "worker/session/connection.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace fsrv::session {

// An Inquiry with the bytes that were received, and what makes a request of them. Idle and paused
// connections have none.
struct Http1Inquiry final : exchange::Inquiry {
    Http1Inquiry(SpareInquiries& home, const http::ParserLimits& limits);

    std::string_view unparsed() const { return {buffer.get() + begin, end - begin}; }
    bool is_used_up() const { return begin == end; }
    std::span<char> room() { return {buffer.get() + end, capacity - end}; }
    void received(std::size_t bytes); // in room()
    void make_room();                 // what is unparsed moves to the front
    // Ready for another client: what this one sent is gone, credentials among it.
    void forget();

    std::size_t capacity;
    std::unique_ptr<char[]> buffer;
    std::size_t begin = 0; // of the request being read, or of what follows the one being answered
    std::size_t end = 0;   // of the received bytes
    std::size_t used = 0;  // of the buffer, at most, since it was forgotten
    http::RequestParser parser;

  private:
    void come_back() override;

    SpareInquiries& home_;
};

class Http1 final : public Connection, public exchange::ExchangeHome {
  public:
    Http1(SessionServices& services, int fd, const log::Peer& peer, std::uint64_t id);

    void start(bool overloaded) override;
    void check_rate(std::uint64_t now_ms) override;
    const log::Peer& client() const override;
    const exchange::Answer* answer() const override { return exchange_.answer(); }

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
    void on_body_given_up() override { go_on_soon(); }
    void on_disk_ill() override;
    void on_listings_full() override;

    // Connection
    void on_readable() override;
    void on_writable() override;
    void on_peer_end() override;
    void advance() override;
    bool on_closing(CloseReason reason) override;
    void on_lingering() override;

    void take_inquiry();
    void drop_inquiry();
    bool take_proxy_header();
    bool take_head();
    bool respond_at_once(const exchange::CachedFile& file);
    void respond(http::Plan plan);
    void respond_unavailable(http::Plan plan);
    void refuse(const http::Refusal& refusal, CloseReason reason = CloseReason::bad_request);
    void frame(exchange::Answer& answer, const http::Plan& plan, bool keep_alive);
    void begin_sending();

    enum class Step {
        complete,      // the last byte is with the kernel
        wait_writable, // the socket takes no more now
        wait_disk,     // a read is under way; on_body() follows
        yield,         // it could go on, but has had its turn
        failed,        // the body's failure() says why
    };
    Step send(exchange::Answer& answer);
    Step send_piece(exchange::Answer& answer, const exchange::Piece& piece,
                    std::span<iovec> vectors, std::uint64_t& turn);
    Step send_head(exchange::Answer& answer, std::uint64_t& turn);
    exchange::Ways ways() const;

    bool send_some();
    bool send_failed();
    bool finish_response();
    bool skip_body();
    bool next_request();
    void advance_in_turn();
    void pause();
    void let_queue_grow();
    void end_swiftness();
    void stow_what_came_early();
    bool waits_for_ill_disk() const;

    exchange::Exchange exchange_;
    std::unique_ptr<Http1Inquiry> inquiry_;
    exchange::Client client_;
    bool swift_ = false;      // has one of the places for those whose queue may grow
    bool wants_proxy_header_; // first of all
    // Of the answer under way.
    bool keep_alive_ = false;
    bool skip_body_ = false;     // of the request, before the next one
    bool client_closes_ = false; // the client announced that nothing follows: no need to linger
};

} // namespace fsrv::session
