// The server, over its upgrades: the figures of the process that serves now, and those of earlier
// ones whose workers still finish downloads.
#pragma once

#include "common/scoreboard.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace fsrv {

class TopBoards final {
  public:
    explicit TopBoards(ScoreView now) : now_(std::move(now)) {}

    // What the server shares now: the same as before, or a successor's.
    void show(ScoreView view);

    // Nothing while it cannot be read. Earlier servers count as far as they have workers that tick.
    std::optional<ScoreReading> read(std::uint64_t now_ms);

  private:
    ScoreView now_;
    std::vector<ScoreView> former_;
};

} // namespace fsrv
