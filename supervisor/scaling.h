// How many workers an elastic server (--workers MIN..MAX) should have. Pure: what is seen, and when
// -> the number. It doubles as soon as the workers are busy at two looks in a row, and goes down by
// one after each quiet time.
#pragma once

#include "common/options.h"

#include <cstdint>
#include <optional>

namespace fsrv {

// Looks are so far apart, while the server is elastic.
inline constexpr std::uint64_t kLookMs = 500;

// A worker is busy with more requests under way than --requests-per-worker (paused downloads are
// none), when its loop comes so late to its timer, or when it uses so much of its core: then it has
// as much to do as it can do, however few requests that is.
inline constexpr std::uint64_t kBusyLagMs = 50;
inline constexpr unsigned kBusyCore = 800; // thousandths
inline constexpr unsigned kBusyLooks = 2;

// One worker fewer must be far from busy for so long.
inline constexpr std::uint64_t kQuietMs = 30'000;

// How much of a core one process wants: what it got, and what it waited for.
class CoreUse final {
  public:
    // `wanted_ns`: since its start; none: the system does not tell. The thousandths of a core since
    // the last look; 0 at the first one, which has nothing to compare with.
    unsigned look(std::optional<std::uint64_t> wanted_ns, std::uint64_t now_ms);

  private:
    std::optional<std::uint64_t> wanted_ns_;
    std::uint64_t at_ms_ = 0;
};

struct LoadSample {
    unsigned ready = 0;            // workers
    std::uint64_t requests = 0;    // under way, in all of them
    std::uint64_t lag_ms = 0;      // of the worst loop
    unsigned busiest_core = 0;     // thousandths, of the worker that wants most
    std::uint64_t all_cores = 0;   // thousandths, of all of them together
    std::uint64_t per_worker = 32; // requests: --requests-per-worker
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
