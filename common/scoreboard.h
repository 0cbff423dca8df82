// Shared memory between the supervisor and its workers: one slot each, written by its worker alone,
// read by the supervisor, which believes none of it beyond "it moved" and text that it escapes when
// it prints it. It outlives a worker's crash.
#pragma once

#include "common/limits.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace fsrv {

struct alignas(64) ScoreSlot {
    std::atomic<std::uint64_t> tick_ms{0}; // monotonic_ms() of the worker's last heartbeat
    std::atomic<std::uint64_t> connections{0};
    std::atomic<std::uint64_t> requests{0};   // answers begun, over all generations of the slot
    std::atomic<std::uint64_t> bytes_sent{0}; // body bytes, likewise

    // The last request line, for the death notice. Words, so that a reader in another process never
    // meets a data race; it may meet a mixture of two requests, which is good enough for a hint.
    void set_last_request(std::string_view text);
    std::string last_request() const;

  private:
    std::array<std::atomic<std::uint64_t>, limits::kLastRequestBytes / 8> last_request_{};
};

// Anonymous shared mapping of `slots` ScoreSlots; lives as long as this object or a child's
// inherited mapping.
class Scoreboard final {
  public:
    explicit Scoreboard(unsigned slots); // fatal() when the system has no memory
    ~Scoreboard();
    Scoreboard(const Scoreboard&) = delete;
    Scoreboard& operator=(const Scoreboard&) = delete;

    unsigned size() const { return size_; }
    ScoreSlot& slot(unsigned i) { return slots_[i]; }

  private:
    unsigned size_;
    ScoreSlot* slots_;
};

} // namespace fsrv
