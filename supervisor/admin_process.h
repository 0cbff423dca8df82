// The admin process, as the supervisor sees it: a slot like a worker's, with respawn and hang
// watch, but nobody's neighbour and nobody's need. The server starts and goes on without it, and it
// ends last.
#pragma once

#include "common/scoreboard.h"
#include "common/unique_fd.h"
#include "supervisor/process_ops.h"
#include "supervisor/worker_slot.h"

#include <cstdint>
#include <functional>
#include <optional>

namespace fsrv {

class AdminProcess final {
  public:
    // What the child runs. It must close what is the supervisor's alone.
    using Child = std::function<int(UniqueFd control, unsigned score)>;

    AdminProcess(Scoreboard& scoreboard, ProcessOps& ops, std::uint64_t hang_timeout_ms,
                 Child child);

    void turn(std::uint64_t now); // channel, heartbeat, spawn
    // False: it was somebody else.
    bool on_ended(const EndedProcess& ended, std::uint64_t now);
    // Asks it to end, at once; true when it has.
    bool stop(std::uint64_t now);
    void forgive_silence(std::uint64_t now) { slot_.forgive_silence(now); }

    int control_fd() const { return control_ ? control_.get() : -1; }
    void close_in_child() { control_.reset(); }
    std::uint64_t next_deadline() const;
    ProcessRow row() const;

  private:
    void spawn(std::uint64_t now);
    void read_control(std::uint64_t now);

    Scoreboard& scoreboard_;
    ProcessOps& ops_;
    Child child_;
    WorkerSlot slot_;
    UniqueFd control_;
    unsigned score_ = kNoScore;
    std::uint64_t kill_at_ = kNever;
    bool stopping_ = false;
};

} // namespace fsrv
