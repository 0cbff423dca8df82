// The supervisor's loop: one signal, reap, control messages, heartbeats, spawn what is missing, see
// that every slot is served, sleep until the next deadline. What to do with a slot is
// worker_slot.h's to say, who covers whom cover.h's.
#pragma once

#include "common/heritage.h"
#include "common/scoreboard.h"
#include "supervisor/access_log_file.h"
#include "supervisor/cover.h"
#include "supervisor/leavers.h"
#include "supervisor/listen_sockets.h"
#include "supervisor/process_ops.h"
#include "supervisor/service_manager.h"
#include "supervisor/worker_slot.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

namespace fsrv {

// Beyond --grace, for a worker to end by itself.
inline constexpr std::uint64_t kOvertimeMs = 2'000;

class Supervisor final {
  public:
    struct Setup {
        const Options& options; // outlives the supervisor, like all that is referred to here
        ListenSockets& sockets;
        AccessLogFile& access_log;
        int root_fd = -1;
        std::string root_path;
        std::optional<Credentials> credentials;
        WorkerMain worker_main = nullptr;

        // The first generation is ready, that many workers of it. False: the server must not go on
        // (exit status 1).
        std::function<bool(unsigned ready)> on_started;
        // Stopping began; it ends within this time. kNever: without a limit.
        std::function<void(std::uint64_t within_ms)> on_stopping;
        // At the end of every turn; it answers when it wants the next one at the latest.
        std::function<std::uint64_t(const Health& health, std::uint64_t now)> on_turn;
    };

    Supervisor(Setup setup, ProcessOps& ops);

    int run(); // the exit status of the server

    // One turn of the loop, without the sleep. The exit status, once there is nothing left to do.
    std::optional<int> turn();
    std::uint64_t next_deadline() const;

    const WorkerSlot& slot(unsigned i) const { return workers_[i].slot; }
    Scoreboard& scoreboard() { return scoreboard_; }
    // Of the process that slot `i` has; kNoScore: it has none.
    unsigned score_of(unsigned i) const { return workers_[i].score; }

  private:
    struct Worker {
        explicit Worker(std::uint64_t hang_timeout_ms) : slot(hang_timeout_ms) {}
        WorkerSlot slot;
        unsigned score = kNoScore; // slot of the scoreboard, while there is a process
        UniqueFd control;          // none: no process, or it closed its end
        unsigned useless = 0;      // messages that make no sense
        bool wants_drain = false;  // to be sent, as soon as the channel takes it
        bool wants_log = false;
        bool has_left = false; // while stopping: it has closed its sockets
    };
    enum class Stop { no, unhurried, hurried, killed };

    void take_signal(std::uint64_t now);
    void reap_workers(std::uint64_t now);
    void on_worker_ended(unsigned index, ExitStatus status, std::uint64_t now);
    void on_leaver_ended(const Leaver& leaver, ExitStatus status, std::uint64_t now);
    void tell_end(unsigned index, pid_t pid, unsigned score, std::uint64_t spawned_at,
                  ExitStatus status, std::uint64_t now);
    std::uint64_t tick_of(const Worker& worker) const;
    void count_end(SlotState before, ExitStatus status);
    void publish_processes();
    void on_leaving(unsigned index, std::uint64_t now);
    void hurry_when_alone();
    void read_control(std::uint64_t now);
    void read_control_of(unsigned index, std::uint64_t now);
    void on_message(unsigned index, const ControlMessage& message, std::uint64_t now);
    void on_useless_message(unsigned index);
    void watch_time(std::uint64_t now);
    void spawn(unsigned index, std::uint64_t now);
    int run_worker(unsigned index, UniqueFd control);
    void send_what_is_due();
    void see_that_all_are_served();
    void see_whether_started(std::uint64_t now);
    void reopen_log();
    void stop(Stop how, std::uint64_t now);
    void stop_failed(int exit_status, std::uint64_t now);
    void watch_stopping(std::uint64_t now);
    unsigned count(SlotState state) const;
    Health health() const;

    Setup setup_;
    ProcessOps& ops_;
    pid_t supervisor_pid_ = getpid();
    Scoreboard scoreboard_;
    ServerRow server_row_;                 // as published
    std::vector<ProcessRow> process_rows_; // likewise
    std::vector<Worker> workers_;
    CoverLedger ledger_;
    Leavers leavers_;
    bool undelivered_ = false; // a message waits for a channel to take it
    bool started_ = false;
    std::uint64_t expected_at_ = kNever; // when the next turn is due at the latest
    std::uint64_t wanted_at_ = kNever;   // when on_turn wants it
    Stop stop_ = Stop::no;
    std::uint64_t drain_ms_ = 0;        // as in ControlKind::drain
    std::uint64_t refuse_at_ = kNever;  // listen sockets are shut
    std::uint64_t kill_at_ = kNever;    // SIGKILL for who is left
    std::uint64_t give_up_at_ = kNever; // even SIGKILL has not helped
    int exit_status_ = kExitOk;
};

} // namespace fsrv
