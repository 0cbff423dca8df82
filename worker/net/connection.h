// Connection: one client, from accept to close. A table of states, driven by four kinds of events:
// the socket is ready, the pool has finished a job, a deadline has passed, the worker stops.
//
//   state          waits for                    event   deadline, from since_ms on
//   accepted       the first byte               in      --header-timeout: closed silently
//   idle           the next request             in      --idle-timeout: closed
//   reading_head   the rest of a head           in      --header-timeout: 408
//   preparing      the pool: find and plan      none    limits::kLookUpMs: 503; sooner when its
//                                                       device is ill
//   sending        the socket or the disk       out     --stall-timeout: paused
//   paused         the client; holds no buffer  out     --pause-timeout: reset
//   skipping_body  the rest of a request's body in      --header-timeout: closed
//   lingering      the client's close           in      limits::kLingerMs: closed
//   closing        its turn of the loop         none    none
//
// The deadline of idle and lingering is --pause-timeout while the client has not taken all that is
// with the kernel. Each state has its list, in order of since_ms: worker/serve/connections.h.
//
//   accepted ─► reading_head ─► preparing ─► sending ⇄ paused          every state ─► closing
//                 ▲    ▲            (errors and OPTIONS skip it)  │
//                 │    └────── skipping_body ◄────────────────────┤
//                idle ◄───────────────────────────────────────────┴──► lingering
//
// Lifetime: the worker owns it. close() is the only way down and idempotent; when the socket is
// closed and no turn is to come (a plain count) release() hands the object to Worker::bury(), and
// it is gone at the end of the loop's turn: until then its callers may still look at it. Jobs of
// the pool outlive it: they are abandoned, with all that they touch (the Exchange, a FileRead).
// Thread: the loop's.
#pragma once

#include "common/close_reason.h"
#include "worker/exchange/lookup.h"
#include "worker/http/parser.h"
#include "worker/http/plan.h"
#include "worker/http/target.h"
#include "worker/log/access_log.h"
#include "worker/loop/poller.h"
#include "worker/net/sender.h"
#include "worker/serve/member.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace fsrv::net {

class Worker;
class Connection;

using serve::State;

Asked to_label(http::Method method);

// What a request needs until its answer is planned: the received bytes, the parser, the look-up.
// Kept for reuse by the worker; an idle or paused connection has none. One whose look-up was
// cancelled comes back to the worker by itself.
struct Exchange final : exchange::LookupHome {
    explicit Exchange(const http::ParserLimits& limits);

    std::string_view unparsed() const { return {buffer.get() + begin, end - begin}; }
    void received(std::size_t bytes); // behind `end`
    // Ready for another client: what this one sent is gone, credentials among it.
    void forget();

    void on_planned() override;
    void on_unavailable(std::string_view why) override;
    void on_orphaned() override;

    Worker* worker = nullptr;    // whose it is
    Connection* asker = nullptr; // whose request it has

    std::size_t capacity;
    std::unique_ptr<char[]> buffer;
    std::size_t begin = 0; // of the request being read, or of what follows the one being answered
    std::size_t end = 0;   // of the received bytes
    std::size_t used = 0;  // of the buffer, at most, since it was forgotten
    http::RequestParser parser;
    http::Request request;
    exchange::Lookup lookup{*this, request};
};

// What an answer needs while it is sent.
struct Transfer {
    Transfer(const SenderContext& context, SenderOwner& owner, std::string head, http::Body body)
        : sender(context, owner, std::move(head), std::move(body)) {}

    Sender sender;
    log::LogRecord record;
    int status = 0;
    Asked asked = Asked::none;
    log::Peer client;             // who asked: the peer, or whom it speaks for
    FileTime started;             // wall clock, when the head was complete
    std::uint64_t started_ms = 0; // the loop's
    bool keep_alive = false;
    bool skip_body = false;     // of the request, before the next one
    bool client_closes = false; // the client announced that nothing follows: no need to linger
    CloseReason end_reason = CloseReason::done;
    std::string leftover;              // received after the request, while there is no Exchange
    std::uint64_t window_start_ms = 0; // for --min-rate
    std::uint64_t window_bytes = 0;
};

class Connection final : public serve::Member, public SenderOwner, public loop::PollTarget {
  public:
    Connection(Worker& worker, int fd, const log::Peer& peer, std::uint64_t id);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() override;

    // Answers what has come already, or waits for it; `overloaded`: the answer is a 503, whatever
    // is asked.
    void start(bool overloaded);

    // Member
    void close(CloseReason reason) override;
    void on_deadline() override;
    bool leave(CloseReason reason) override;
    bool is_deserted() const override;
    void give_way() override;
    // 503 to one that waits for the pool. `stays`: the connection does, if it may.
    void refuse_look_up(std::string_view what, bool stays = true);
    void check_rate(std::uint64_t now_ms); // --min-rate, while sending or paused
    void go_on();                          // its next turn, after continue_soon()

    std::uint64_t id() const { return id_; }
    // Who asks, as far as trusted proxies say; between requests the peer.
    const log::Peer& client() const { return transfer_ ? transfer_->client : peer_; }
    const Transfer* transfer() const { return transfer_.get(); } // none: nothing is being sent
    std::string_view request_line() const {
        return transfer_ ? transfer_->record.fields().request_line : std::string_view();
    }

  private:
    friend class Worker; // takes exchange_ and transfer_ back
    friend struct Exchange;

    void on_ready(std::uint32_t events) override;
    void act();
    ssize_t receive(std::span<char> room);
    void on_readable();
    void on_linger_readable();
    void on_chunk_read() override;
    void on_disk_ill() override;
    void on_planned();

    void advance();
    bool take_proxy_header();
    bool take_head();
    void dispatch();
    void prepare(http::Target target);
    void answer_from(const exchange::CachedFile& file);
    bool respond_at_once(const exchange::CachedFile& file, int status);
    void respond_as_planned();
    void respond(http::Plan plan);
    void refuse(const http::Refusal& refusal);
    void begin_transfer(http::Plan plan, log::LogRecord record, bool keep_alive);
    void adopt_transfer(std::string head, http::Body body, log::LogRecord record, int status);
    bool send_some();
    void let_queue_grow();
    void set_queue_mark(int bytes); // 0: none
    void end_swiftness();
    bool send_failed();
    bool finish_response();
    bool skip_body();
    bool next_request();
    void enter_lingering(CloseReason reason);
    void pause();

    log::Peer client_of(const http::Request& request) const;
    void log_answer(std::string_view end);
    void set_state(State state);
    std::uint64_t bytes_not_taken() const; // by the client, of what the kernel has for it
    bool may_wait_for_taker();
    bool waits_for_ill_disk() const;
    bool watch();
    void stow_what_came_early();
    void wait_for(std::uint32_t event); // EPOLLIN or EPOLLOUT
    void advance_in_turn();
    void go_on_soon();
    void take_turn_soon();
    void drop_exchange();
    void retain() { ++pending_; }
    void release();

    Worker& worker_;
    std::unique_ptr<Exchange> exchange_;
    std::unique_ptr<Transfer> transfer_;
    log::Peer peer_;
    int fd_;
    std::uint64_t id_;
    std::uint64_t lingered_bytes_ = 0;
    std::uint64_t waited_ms_ = 0; // for an answer to be taken, beyond the deadline of the state
    unsigned pending_ = 1;        // the socket, until close(); its turn to come
    std::uint32_t wanted_ = 0;    // event that the state waits for; 0: for none of the socket's
    std::uint32_t ready_ = 0;     // events that came, until a receive or a send finds nothing more
    bool watched_ = false;        // the poller has been told of the socket
    bool queued_ = false;         // its next turn comes by go_on(), events of the socket can wait
    bool swift_ = false;          // has one of the worker's places for those whose queue may grow
    bool wants_proxy_header_;     // first of all
    bool peer_is_trusted_;        // its word on where a client is counts
    bool checks_name_;            // a browser of this machine may have been led here
    CloseReason linger_reason_ = CloseReason::done;
};

} // namespace fsrv::net
