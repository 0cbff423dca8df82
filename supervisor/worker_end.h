// What is said of a worker's end: one line of the log, with the request that it died of, and a
// count.
#pragma once

#include "common/scoreboard.h"
#include "supervisor/phase.h"
#include "supervisor/process_ops.h"
#include "supervisor/worker_slot.h"

#include <cstdint>

namespace fsrv {

struct WorkerEnd {
    unsigned slot = 0;
    pid_t pid = 0;
    unsigned score = kNoScore; // its slot of the scoreboard, not given back yet
    std::uint64_t spawned_at = 0;
    SlotState before{}; // of its slot
    ExitStatus status;
};

// Once the server stops ends are no news, and are not counted.
void report(const WorkerEnd& end, Scoreboard& scoreboard, Stop stop, std::uint64_t now);

} // namespace fsrv
