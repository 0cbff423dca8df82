// TokenBucket: what may be had of something per second, in one word of memory that any number of
// processes share: the moment at which all that was taken is paid for (the theoretical arrival time
// of GCRA, ITU-T I.371). To take is to move that moment on; a bucket that is full has it `burst`
// ago, one that is in debt in the future. One compare-and-swap each: whoever dies in between leaves
// the bucket as it was, or as it should be.
//
// What is read is bounded before it is used, whoever wrote it. Times are nanoseconds of the
// monotonic clock; what a thing costs, the time that it takes to be paid for: cost_ns().
#pragma once

#include "common/limits.h"

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace fsrv {

class TokenBucket final {
  public:
    // Takes that much, whatever is there: from the moment that is returned on it may be used, which
    // is `burst_ns` ago at the earliest. Whoever comes later comes behind.
    std::uint64_t reserve(std::uint64_t cost_ns, std::uint64_t now_ns, std::uint64_t burst_ns) {
        std::uint64_t seen = paid_ns_.load(std::memory_order_relaxed);
        std::uint64_t begin = bounded(seen, now_ns, burst_ns);
        while (!paid_ns_.compare_exchange_weak(seen, begin + cost_ns, std::memory_order_relaxed))
            begin = bounded(seen, now_ns, burst_ns);
        return begin;
    }

    // Takes it, if no more than `debt_ns` is owed then. False: nothing was taken.
    bool take(std::uint64_t cost_ns, std::uint64_t now_ns, std::uint64_t burst_ns,
              std::uint64_t debt_ns = 0) {
        std::uint64_t seen = paid_ns_.load(std::memory_order_relaxed);
        std::uint64_t paid = 0;
        do {
            paid = bounded(seen, now_ns, burst_ns) + cost_ns;
            if (paid > now_ns + debt_ns) return false;
        } while (!paid_ns_.compare_exchange_weak(seen, paid, std::memory_order_relaxed));
        return true;
    }

    // Of what was taken, and not used.
    void give_back(std::uint64_t cost_ns) {
        std::uint64_t seen = paid_ns_.load(std::memory_order_relaxed);
        while (!paid_ns_.compare_exchange_weak(seen, seen - std::min(seen, cost_ns),
                                               std::memory_order_relaxed)) {
        }
    }

    // When all is paid for.
    std::uint64_t paid_ns(std::uint64_t now_ns, std::uint64_t burst_ns) const {
        return bounded(paid_ns_.load(std::memory_order_relaxed), now_ns, burst_ns);
    }

    void fill() { paid_ns_.store(0, std::memory_order_relaxed); }

  private:
    static std::uint64_t bounded(std::uint64_t paid_ns, std::uint64_t now_ns,
                                 std::uint64_t burst_ns) {
        const std::uint64_t full = now_ns - std::min(now_ns, burst_ns);
        return std::clamp(paid_ns, full, now_ns + limits::kMostDebtNs);
    }

    static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "a lock would not be shared");
    std::atomic<std::uint64_t> paid_ns_{0};
};

// Of `amount`, at `per_second` of it (not 0).
constexpr std::uint64_t cost_ns(std::uint64_t amount, std::uint64_t per_second) {
    return static_cast<std::uint64_t>(static_cast<double>(amount) * 1e9 /
                                      static_cast<double>(per_second));
}
// What `ns` pay for.
constexpr std::uint64_t worth_of_ns(std::uint64_t ns, std::uint64_t per_second) {
    return static_cast<std::uint64_t>(static_cast<double>(ns) * static_cast<double>(per_second) /
                                      1e9);
}

} // namespace fsrv
