// Loop: an event loop, of libuv, which is met in this room alone. What it waits for are its Timers
// and Watches; it is made after fork, and outlives them.
//
// A process runs it in one of two ways: by run(), or, where a Poller has the clients, by wait()
// and dispatch(), for which it is but one descriptor of that Poller (poller.h).
//
// Thread: the loop's, which is the one that runs it.
#pragma once

#include "worker/loop/poller.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

struct uv_loop_s;

namespace fsrv::loop {

class Loop final : public PollTarget {
  public:
    Loop();
    ~Loop(); // every Timer and Watch is gone by then; lets libuv finish with them
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    // Monotonic, as it was when this iteration began; the same clock as monotonic_ms().
    std::uint64_t now_ms() const;
    void update_time(); // to what it is

    // Until there is no Timer that runs and no Watch that is started. What was closed before is
    // finished with when it returns.
    void run();

    // From now on `poller` tells when there is something to do. What is due or ready already is
    // handed out here. False: the kernel has no room.
    bool join(Poller& poller);
    // One iteration, after join(): waits until something comes or a timer is due, or not at all,
    // and looks at the time; then hands out what has come, of the poller first.
    void wait(Poller& poller, bool may_wait);
    void dispatch(Poller& poller);

  private:
    friend class Timer;
    friend class Watch;

    void on_ready(std::uint32_t) override { is_ready_ = true; }
    // A Timer or a Watch is another than when libuv was asked.
    void changed() { due_is_known_ = false; }
    bool is_due() {
        if (!due_is_known_) look_at_due();
        return due_ms_ <= time_ms_;
    }
    int timeout_ms(); // as of epoll_wait(2)
    void look_at_due();
    void run_once(); // what is due or ready

    static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

    std::unique_ptr<uv_loop_s> uv_;
    std::uint64_t time_ms_ = 0;     // now_ms(), between what libuv runs
    std::uint64_t due_ms_ = kNever; // when libuv has something to do next, if no event comes
    bool due_is_known_ = false;
    std::size_t open_ = 0;  // Timers and Watches
    bool is_ready_ = false; // libuv has events
};

} // namespace fsrv::loop
