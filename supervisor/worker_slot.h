// The life of one slot, whatever workers it has: what happened + what time it is -> what to do.
// Pure: it calls nothing and knows no clock. The supervisor tells it what happened, does what it
// answers, and asks again at next_deadline().
//
//          spawn           ready            no tick for kCoverMs      for --hang-timeout
//  waiting ─────► starting ─────► ready ─────────────────────► silent ─────► aborting ──► killing
//     ▲              │              │ ◄───────────────────────── │    SIGABRT    │  SIGKILL  │
//     └──────────────┴──────────────┴────── ended: delay ────────┴───────────────┴───────────┘
//
//  starting ── ended with kExitUsage, and the slot was never ready ──► failed
//  starting, ready, silent ── its channel is closed ──► ending
//  ready, silent ── says that it leaves ──► handed over to Leavers, the slot waits for a successor
//  any ── dismiss(): the process, if any, is handed over to Leavers ──► gone
//  any ── stop() ──► stopping, or as it was; when the process has ended: gone
#pragma once

#include "common/scoreboard.h"
#include "supervisor/process_ops.h"

#include <cstdint>
#include <string_view>
#include <sys/types.h>

namespace fsrv {

enum class SlotState {
    waiting,  // no process; one is due at the deadline
    starting, // a process that is not accepting yet
    ready,    // accepting
    silent,   // ready, but without a heartbeat for kCoverMs: may be hanging
    ending,   // closed its channel to the supervisor, so it should be about to end
    aborting, // SIGABRT was sent
    killing,  // SIGKILL was sent
    stopping, // asked to drain
    failed,   // no process, and no other attempt: its configuration does not let it start
    gone,     // no process, and none wanted any more
};
std::string_view name_of(SlotState state);
ProcessState shown_state(SlotState state); // to who asks how the server is

enum class SlotAction { none, spawn, abort, kill };

// Deaths before a slot was ever ready after which it has had its chance: the server's start no
// longer waits for it. A start that takes too long is one that needs no second.
inline constexpr unsigned kStartAttempts = 5;

// A worker that closed its channel has this long to end.
inline constexpr std::uint64_t kEndingMs = 10'000;

// The longest that the first of all slots waits when nobody serves.
inline constexpr std::uint64_t kAloneRespawnMs = 1'000;

// How long to wait after the n-th death in a row: not at all, then kFirstRespawnMs doubling to
// kMaxRespawnMs.
std::uint64_t respawn_delay_ms(unsigned deaths);

class WorkerSlot final {
  public:
    explicit WorkerSlot(std::uint64_t hang_timeout_ms) : hang_timeout_ms_(hang_timeout_ms) {}

    SlotState state() const { return state_; }
    pid_t pid() const { return pid_; } // 0: no process
    bool has_process() const { return pid_ != 0; }
    bool is_serving() const { return state_ == SlotState::ready || state_ == SlotState::silent; }
    bool was_ever_ready() const { return ever_ready_; }
    // Ready once, or failed often enough that it need not be waited for.
    bool had_its_chance() const;
    std::uint64_t spawned_at() const { return spawned_at_; }

    // `tick` is what stands in the scoreboard, of whoever was there before.
    void on_spawned(pid_t pid, std::uint64_t tick, std::uint64_t now);
    void on_spawn_failed(std::uint64_t now);
    // False: the message makes no sense now, and changed nothing.
    bool on_ready(std::uint64_t now);
    void on_channel_closed(std::uint64_t now);
    // The worker accepts no more, and is somebody else's to watch. False: as above.
    bool hand_over(std::uint64_t now);
    void on_ended(ExitStatus status, std::uint64_t now);
    // As hand_over(), in any state, and no successor is wanted.
    void dismiss();

    // Heartbeats and deadlines. After `spawn` comes on_spawned() or on_spawn_failed().
    SlotAction on_time(std::uint64_t tick, std::uint64_t now);
    // Nobody serves at all: do not wait longer than kAloneRespawnMs since the last death.
    void hurry();
    // The supervisor itself did not run for a while, so silence says nothing about the worker.
    void forgive_silence(std::uint64_t now);

    // The server stops. A worker with a process is asked to drain by the caller.
    void stop();
    // At once: `kill` when there is a process.
    SlotAction kill_now();

    std::uint64_t next_deadline() const; // kNever: nothing is due

  private:
    bool heart_is_watched() const;
    void observe(std::uint64_t tick, std::uint64_t now);
    SlotAction abort_now(std::uint64_t now);
    void wait_for_successor(std::uint64_t now);

    std::uint64_t hang_timeout_ms_;
    SlotState state_ = SlotState::waiting;
    pid_t pid_ = 0;
    std::uint64_t due_ = 0; // what the state waits for; kNever: nothing
    std::uint64_t spawned_at_ = 0;
    std::uint64_t ready_at_ = 0;
    std::uint64_t ended_at_ = 0;
    std::uint64_t tick_ = 0;        // as last seen
    std::uint64_t observed_at_ = 0; // when the tick was looked at
    std::uint64_t alive_at_ = 0;    // time of the last heartbeat
    unsigned deaths_ = 0;           // in a row, without a healthy time in between
    unsigned failed_starts_ = 0;
    bool is_ready_ = false; // this process has been ready
    bool ever_ready_ = false;
    bool stop_ = false;
};

} // namespace fsrv
