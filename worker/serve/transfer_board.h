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
    // All that are sending or paused, one after the other; then show().
    void consider(const session::Connection& connection, std::uint64_t now_ms);
    void show(std::uint64_t now_ms);

  private:
    // A connection sends one answer at a time: its number and the answer's start name it.
    struct Candidate {
        std::uint64_t started_ms = 0;
        const session::Connection* connection = nullptr;
        bool shown = false;
    };

    ScoreSlot& score_;
    std::uint64_t next_ms_ = 0;
    std::vector<Candidate> candidates_;
    struct Place {
        std::uint64_t id = 0; // of the connection
        std::uint64_t started_ms = 0;
    };
    std::array<Place, limits::kShownTransfers> places_{};
};

} // namespace fsrv::serve
