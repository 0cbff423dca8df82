// Member: what Connections know of one connection: its state, since when it is in it, and how it is
// asked to go.
#pragma once

#include "common/close_reason.h"
#include "common/intrusive_list.h"

#include <cstdint>
#include <string_view>

namespace fsrv::session {

// What they wait for, and how long: the table in connection.h.
enum class State : std::uint8_t {
    accepted,
    handshaking,
    idle,
    reading_head,
    preparing,
    sending,
    throttled,
    following,
    paused,
    skipping_body,
    lingering,
    closing,
};
inline constexpr unsigned kStates = 12;
std::string_view name_of(State state);

class Member {
  public:
    Member() = default;
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;
    virtual ~Member() = default;

    State state() const { return state_; }
    std::uint64_t since_ms() const { return since_ms_; }

    virtual void close(CloseReason reason) = 0;
    // The time of its state is over.
    virtual void on_deadline() = 0;
    // The worker stops, or needs the room. Of one that waits for a request: it is read for once,
    // and what has come is answered; else it ends, and an answer that is on its way is not cut.
    // True: its place is free.
    virtual bool leave(CloseReason reason) = 0;
    // While preparing. Its client has ended its side: it may have gone.
    virtual bool is_deserted() const = 0;
    // While preparing: it is told that there is no room.
    virtual void give_way() = 0;
    // Memory of listings that wait for their client.
    virtual std::uint64_t listing_bytes() const = 0;

  private:
    friend class Connections;

    ListHook<Member> hook_;
    std::uint64_t since_ms_ = 0;
    State state_ = State::accepted;
    bool overloaded_ = false; // it gets a 503, whatever it asks
};

} // namespace fsrv::session
