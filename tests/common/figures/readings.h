// Readings of a scoreboard that nobody wrote.
#pragma once

#include "common/scoreboard.h"

namespace fsrv::test {

inline ScoreReading::Process worker(pid_t pid, ProcessState state = ProcessState::ready) {
    ScoreReading::Process process;
    process.row = {.state = state, .slot = 0, .score = 0, .pid = pid, .spawned_ms = 1'000};
    return process;
}

inline ScoreReading one_worker() {
    ScoreReading reading;
    reading.server = {.pid = 7, .started_s = 1'700'000'000, .started_ms = 1'000, .workers = 1};
    reading.processes = {worker(100)};
    return reading;
}

} // namespace fsrv::test
