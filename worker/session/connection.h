// Connection: one client, from accept to close, whatever protocol it speaks: its state and
// deadlines, its turns, and how it ends. What is read and answered is its session's matter
// (http1.h). A table of states, driven by four kinds of events: the socket is ready, the pool has
// finished a job, a deadline has passed, the worker stops.
//
//   state          waits for                    event   deadline, from since_ms on
//   accepted       the first byte               in      --header-timeout: closed silently
//   handshaking    the client's part of TLS     in      --header-timeout: closed
//   idle           the next request             in      --idle-timeout: closed
//   reading_head   the rest of a head           in      --header-timeout: 408
//   preparing      the pool: find and plan      none    limits::kLookUpMs: 503; sooner when its
//                                                       device is ill
//   sending        the socket or the disk       out     --stall-timeout: paused
//   throttled      its share of a rate          none    none
//   following      the file it follows to grow  none    none
//   paused         the client; holds no buffer  out     --pause-timeout: reset
//   skipping_body  the rest of a request's body in      --header-timeout: closed
//   lingering      the client's close           in      limits::kLingerMs: closed
//   closing        its turn of the loop         none    none
//
// The deadline of idle and lingering is --pause-timeout while the client has not taken all that is
// with the kernel. Each state has its list, in order of since_ms: connections.h.
//
//                                            following
//                                               ⇅
//   accepted ─► reading_head ─► preparing ─► sending ⇄ paused, throttled   every state ─► closing
//                 ▲    ▲            (errors and OPTIONS skip it)  │
//                 │    └────── skipping_body ◄────────────────────┤
//                idle ◄───────────────────────────────────────────┴──► lingering
//
// Lifetime: Connections own it. close() is the only way down and idempotent; when the socket is
// closed and no turn is to come (a plain count) the object is buried, and it is gone at the end of
// the iteration: until then its callers may still look at it. Jobs of the pool outlive it: they are
// abandoned, with all that they touch (an Inquiry, a FileRead). Thread: the loop's.
#pragma once

#include "common/close_reason.h"
#include "worker/exchange/exchange.h"
#include "worker/session/member.h"
#include "worker/session/services.h"
#include "worker/wire/transport.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

namespace fsrv::session {

class Connection : public Member, public loop::PollTarget {
  public:
    ~Connection() override = default;

    // Answers what has come already, or waits for it; `overloaded`: the answer is a 503, whatever
    // is asked.
    virtual void start(bool overloaded) = 0;

    // Member
    void close(CloseReason reason) final;
    bool leave(CloseReason reason) final;

    // It has asked for nothing yet, and counts as if it had: until it asks, or goes.
    void hold(ClientTable::Place place) {
        place_ = std::make_unique<ClientTable::Place>(std::move(place));
    }

    // While sending, throttled, following or paused, once in a while: for what is not a deadline of
    // its state.
    virtual void on_tick(std::uint64_t now_ms) = 0;
    void go_on(); // its turn, which Turns give

    std::uint64_t id() const { return id_; }
    using Look = std::function<void(const exchange::Answer& answer)>;
    virtual void for_each_answer(const Look& look) const = 0; // that is being sent

  protected:
    Connection(SessionServices& services, wire::Transport transport, std::uint64_t id);

    virtual void on_event() = 0;  // what is waited for has come
    virtual void read_once() = 0; // what has come, if any, and does what follows from it
    virtual void advance() = 0;   // in as many steps as a turn has
    virtual void on_peer_end() {} // it will send no more, or has gone
    // It closes: an answer under way gets its line, what is not needed any more is given back.
    // True: what was sent of it must not look whole.
    virtual bool on_closing(CloseReason reason) = 0;
    // No answer is under way, nothing more will be read for a request.
    virtual void on_lingering() = 0;

    void set_state(State state);
    void wait_for(std::uint32_t events);     // EPOLLIN, EPOLLOUT, or both: for either
    void wait_for_nothing() { wanted_ = 0; } // of the socket's
    bool watch(); // false: it is closed, for the kernel has no memory for one more
    void go_on_soon();
    void enter_lingering(CloseReason reason);
    CloseReason linger_reason() const { return linger_reason_; }
    // The client goes on with a Session, which gets the transport and is to be started; this one is
    // buried.
    template <class Session>
    Session& become(const exchange::Client& client) {
        auto* const session = new Session(services_, hand_over(), client, id_);
        session->place_ = std::move(place_);
        services_.connections.add(*session, Connections::Admission::yes, now_ms());
        return *session;
    }
    std::optional<log::TlsNote> tls_note() const;
    bool may_wait_for_taker(); // at the end of its time: it has more
    void taker_came() { waited_ms_ = 0; }
    void touch(); // its deadline starts anew
    std::uint64_t now_ms() const { return services_.exchanges.iteration.now_ms(); }

    void leave_place() { place_.reset(); } // it asks

    SessionServices& services_;
    wire::Transport transport_;

  private:
    void on_ready(std::uint32_t events) final;
    void act();
    void on_linger_readable();
    void take_turn_soon();
    wire::Transport hand_over();
    void release();

    std::unique_ptr<ClientTable::Place> place_;
    std::uint64_t id_;
    std::uint64_t lingered_bytes_ = 0;
    std::uint64_t waited_ms_ = 0; // for an answer to be taken, beyond the deadline of the state
    unsigned pending_ = 1;        // the socket, until close(); its turn to come
    std::uint32_t wanted_ = 0;    // events that it waits for; 0: for none of the socket's
    bool queued_ = false;         // its next turn comes by go_on(), events of the socket can wait
    CloseReason linger_reason_ = CloseReason::done;
};

} // namespace fsrv::session
