// Http2: a Connection that speaks HTTP/2 (RFC 9113), by ALPN or by prior knowledge: framing, flow
// control and priorities (RFC 9218), which are nghttp2's, many Http2Streams at a time, and what
// bounds a client that means no good. Thread: the loop's.
//
// What of the states of a connection it uses: idle without a stream, sending with one, throttled
// when all of them wait for their share of a rate, following when all of them follow files that
// have nothing new, paused when nothing was taken for
// --stall-timeout, lingering, closing. A stream that takes nothing gives its buffer back by itself,
// and is reset after --pause-timeout.
#pragma once

#include "worker/session/connection.h"
#include "worker/session/frame_count.h"
#include "worker/session/http2_stream.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

struct nghttp2_session;

namespace fsrv::session {

// Something that a client may do for nothing now and then: so many at once, so many a second.
class Allowance final {
  public:
    Allowance(std::uint64_t burst, std::uint64_t per_second, std::uint64_t now_ms)
        : burst_(burst), per_second_(per_second), left_(burst), filled_ms_(now_ms) {}
    // False: there was not so much left, and nothing is now.
    bool use(std::uint64_t now_ms, std::uint64_t count = 1);
    void give(std::uint64_t more) { left_ = left_ + more < burst_ ? left_ + more : burst_; }

  private:
    const std::uint64_t burst_;
    const std::uint64_t per_second_;
    std::uint64_t left_;
    std::uint64_t filled_ms_;
};

class Http2 final : public Connection, public Http2Streams {
  public:
    Http2(SessionServices& services, wire::Transport transport, const exchange::Client& client,
          std::uint64_t id);
    ~Http2() override;

    // What a client that speaks it by prior knowledge sends first, up to where HTTP/1 would take it
    // for a head (RFC 9113 3.4).
    static bool begins(std::string_view received);
    // So little of it has come that it may be something else yet.
    static bool may_begin(std::string_view received);

    void start(bool overloaded) override;
    void start_with(std::string_view received); // which was read before
    void on_tick(std::uint64_t now_ms) override;
    void for_each_answer(const Look& look) const override;

    // Member
    void on_deadline() override;
    bool is_deserted() const override { return false; }
    void give_way() override {}
    std::uint64_t listing_bytes() const override;

  private:
    struct Calls; // nghttp2's
    friend struct Calls;
    using Streams = std::map<std::int32_t, Http2Stream>;

    // Http2Streams
    void submit(Http2Stream& stream, const http::HeadFields& head) override;
    void resume(Http2Stream& stream) override;
    void cut(Http2Stream& stream, CloseReason reason) override;
    std::optional<log::TlsNote> tls_note() const override { return Connection::tls_note(); }
    const exchange::Client& client() const override { return client_; }

    // Connection
    void on_event() override;
    void read_once() override;
    void advance() override;
    bool on_closing(CloseReason reason) override;
    void on_lingering() override;

    bool make_session();
    bool take(std::string_view received); // false: the connection is over
    bool send();                          // likewise
    void collect(std::string& out);
    void progressed();
    void go_on_or_wait(bool blocked);
    void settle_state();
    bool is_throttled() const; // all that it sends
    bool is_following() const; // likewise
    void say_last();
    void end_all(CloseReason reason);
    void drain();
    // is_sending: what was collected goes before its GOAWAY.
    void abuse(CloseReason what, bool is_sending = false);
    void end_stream(std::int32_t stream, std::uint32_t error);

    exchange::Client client_;
    nghttp2_session* session_ = nullptr;
    Streams streams_;
    std::string unsent_;       // that the socket had no room for
    bool has_answers_ = false; // parts of them are among what is being sent
    FrameCount frame_count_;
    std::size_t asked_ = 0;           // requests that were whole, in what came last
    Allowance frames_;                // that ask for nothing
    Allowance provoked_;              // resets that a client makes us send
    std::uint64_t drain_ms_ = 0;      // when its end was announced; 0: it was not
    bool told_last_ = false;          // which stream is the last
    bool advance_follows_ = false;    // so what is submitted now needs no turn of its own
    std::optional<CloseReason> over_; // set by what nghttp2 calls: the connection has to end
};

} // namespace fsrv::session
