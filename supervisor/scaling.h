// How many workers an elastic server (--workers MIN..MAX) should have. Pure: what is seen, and when
// -> the number. It doubles as soon as the workers are busy at two looks in a row, and goes down by
// one after each quiet time.
#pragma once

#include "common/options.h"

#include <cstdint>

namespace fsrv {

// Looks are so far apart, while the server is elastic.
inline constexpr std::uint64_t kLookMs = 500;

// A worker is busy with more requests under way than this (paused downloads are none), or when its
// loop comes so late to its timer: then it has more to do than it can do.
inline constexpr std::uint64_t kBusyRequests = 64;
inline constexpr std::uint64_t kBusyLagMs = 50;
inline constexpr unsigned kBusyLooks = 2;

// One worker fewer must be far from busy for so long.
inline constexpr std::uint64_t kQuietMs = 30'000;

struct LoadSample {
    unsigned ready = 0;         // workers
    std::uint64_t requests = 0; // under way, in all of them
    std::uint64_t lag_ms = 0;   // of the worst loop
};

class Scaling final {
  public:
    bool is_due(std::uint64_t now) const { return now >= next_look_; }
    std::uint64_t next_look() const { return next_look_; }

    // The number there should be; `wanted` is the one there should be so far.
    unsigned look(const WorkerRange& range, unsigned wanted, const LoadSample& load,
                  std::uint64_t now);

  private:
    std::uint64_t next_look_ = 0;
    std::uint64_t quiet_since_ = 0; // 0: it is not
    unsigned busy_looks_ = 0;
};

} // namespace fsrv
