// When to tell the service manager that the server is alive. Pure: told the time, it answers.
#pragma once

#include <cstdint>

namespace fsrv {

// Without a worker that serves for so long, nobody is told any more that we are alive: a new server
// may do what new workers could not. More than a worker has to start.
inline constexpr std::uint64_t kHopelessMs = 60'000;

class Watchdog final {
  public:
    // The service manager waits that long for a sign of life; 0: it does not wait.
    explicit Watchdog(std::uint64_t timeout_ms);

    enum class Beat { none, alive, gives_up }; // gives_up: once, when hope is lost
    // `serving`: somebody accepts connections, or nobody should.
    Beat on_time(bool serving, std::uint64_t now);

    std::uint64_t next_deadline() const { return due_; } // kNever: none

  private:
    std::uint64_t interval_ms_; // half of the time, so that one sign may be late
    std::uint64_t due_;
    std::uint64_t served_at_ = 0; // the last time that somebody did; 0: no look yet
    bool hopeless_ = false;
};

} // namespace fsrv
