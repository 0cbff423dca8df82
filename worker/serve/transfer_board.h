// Shows a worker's longest running downloads to the admin process: now and then, from the worker's
// timer, so that no request pays for it. Thread: the loop's.
#pragma once

#include "common/scoreboard.h"
#include "worker/session/connection.h"

#include <array>
#include <cstdint>
#include <vector>

namespace fsrv::serve {

class TransferBoard final {
  public:
    explicit TransferBoard(ScoreSlot& score) : score_(score) {}

    bool due(std::uint64_t now_ms) const { return now_ms >= next_ms_; }
    // All that are sending, throttled, following or paused, one after the other; then show().
    void consider(const session::Connection& connection, std::uint64_t now_ms);
    void show(std::uint64_t now_ms);

  private:
    struct Candidate {
        const exchange::Answer* answer = nullptr;
        const session::Connection* connection = nullptr;
        bool shown = false;
    };

    ScoreSlot& score_;
    std::uint64_t next_ms_ = 0;
    std::vector<Candidate> candidates_;
    std::array<std::uint64_t, limits::kShownTransfers> places_{}; // Answer::id; 0: free
};

} // namespace fsrv::serve
