// The supervisor's dealings with its workers: start, watch, end.

#include "supervisor/supervisor.h"

#include "common/control.h"
#include "common/limits.h"
#include "common/log.h"

#include <algorithm>
#include <csignal>
#include <sys/socket.h>
#include <utility>

namespace fsrv {
namespace {

ProcessState shown_state(SlotState state) {
    switch (state) {
    case SlotState::waiting: return ProcessState::waiting;
    case SlotState::starting: return ProcessState::starting;
    case SlotState::ready: return ProcessState::ready;
    case SlotState::silent: return ProcessState::silent;
    case SlotState::ending:
    case SlotState::aborting:
    case SlotState::killing: return ProcessState::ending;
    case SlotState::stopping: return ProcessState::draining;
    case SlotState::failed: return ProcessState::failed;
    case SlotState::gone: return ProcessState::gone;
    }
    return ProcessState::gone;
}

} // namespace

void Supervisor::spawn(unsigned index, std::uint64_t now) {
    Worker& worker = workers_[index];
    int ends[2] = {-1, -1};
    Errno error{EAGAIN};
    const auto score = scoreboard_.take();
    worker.score = score.value_or(kNoScore);
    if (score && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        error = Errno::last();
    worker.control.reset(ends[0]); // before the fork, so that the child closes it like the others
    UniqueFd theirs(ends[1]);
    Result<pid_t, Errno> pid = unexpected(error);
    if (score && theirs)
        pid = ops_.spawn(std::move(theirs),
                         [&](UniqueFd control) { return run_worker(index, std::move(control)); });
    if (!pid) {
        if (score) scoreboard_.retire(*score);
        worker.score = kNoScore;
        worker.control.reset();
        worker.slot.on_spawn_failed(now);
        log_warn("slot={} cannot start a worker: {}; the next attempt is in {} ms", index,
                 errno_text(pid.error().code), worker.slot.next_deadline() - now);
        return;
    }
    worker.useless = 0;
    worker.has_left = false;
    worker.slot.on_spawned(*pid, tick_of(worker), now);
    log_debug("slot={} worker {} started", index, *pid);
}

// In the child. Memory is a copy of the supervisor's; descriptors that are the supervisor's alone
// are closed.
int Supervisor::run_worker(unsigned index, UniqueFd control) {
    for (Worker& worker : workers_) worker.control.reset();
    leavers_ = {};
    Heritage heritage{.slot = index,
                      .supervisor_pid = supervisor_pid_,
                      .options = &setup_.options,
                      .sockets = setup_.sockets.sockets(),
                      .root_fd = setup_.root_fd,
                      .root_path = setup_.root_path,
                      .control = std::move(control),
                      .access_log = setup_.access_log.take(),
                      .credentials = setup_.credentials,
                      .score = &scoreboard_.slot(workers_[index].score)};
    return setup_.worker_main(std::move(heritage));
}

void Supervisor::watch_time(std::uint64_t now) {
    for (unsigned i = 0; i < workers_.size(); ++i) {
        WorkerSlot& slot = workers_[i].slot;
        const SlotState before = slot.state();
        const SlotAction action = slot.on_time(tick_of(workers_[i]), now);
        if (before == SlotState::ready && slot.state() == SlotState::silent)
            log_info("slot={} worker {} has been silent for {} ms; a neighbour helps out", i,
                     slot.pid(), limits::kCoverMs);
        if (before == SlotState::silent && slot.state() == SlotState::ready)
            log_info("slot={} worker {} is back", i, slot.pid());
        switch (action) {
        case SlotAction::none: break;
        case SlotAction::spawn: spawn(i, now); break;
        case SlotAction::abort:
            log_warn("slot={} worker {} {}; aborting it", i, slot.pid(),
                     before == SlotState::starting ? "did not become ready in time" : "hangs");
            ops_.kill(slot.pid(), SIGABRT);
            break;
        case SlotAction::kill: ops_.kill(slot.pid(), SIGKILL); break;
        }
    }
    for (const pid_t pid : leavers_.overdue(now)) {
        log_warn("worker {} has not left in time; killing it", pid);
        ops_.kill(pid, SIGKILL);
    }
}

// It has closed its sockets but not ended: its slot gets a successor at once, as after a death.
void Supervisor::on_leaving(unsigned index, std::uint64_t now) {
    Worker& worker = workers_[index];
    worker.has_left = true;
    if (!worker.slot.is_serving()) return; // asked to stop, or about to end anyway
    const auto grace_ms = static_cast<std::uint64_t>(setup_.options.grace.count());
    log_info("slot={} worker {} leaves; another one takes its place", index, worker.slot.pid());
    leavers_.add({.slot = index,
                  .pid = worker.slot.pid(),
                  .spawned_at = worker.slot.spawned_at(),
                  .must_end_at = now + grace_ms + kOvertimeMs,
                  .score = std::exchange(worker.score, kNoScore),
                  .control = std::move(worker.control)});
    worker.slot.hand_over(now);
    worker.wants_log = false;
    ledger_.forget(index);
}

void Supervisor::reap_workers(std::uint64_t now) {
    while (const auto ended = ops_.reap()) {
        const auto worker = std::find_if(workers_.begin(), workers_.end(), [&](const Worker& w) {
            return w.slot.pid() == ended->pid;
        });
        if (worker != workers_.end())
            on_worker_ended(static_cast<unsigned>(worker - workers_.begin()), ended->status, now);
        else if (const auto leaver = leavers_.take(ended->pid))
            on_leaver_ended(*leaver, ended->status, now);
        else
            log_debug("process {} {}; it was none of ours", ended->pid, ended->status.text());
    }
}

void Supervisor::on_worker_ended(unsigned index, ExitStatus status, std::uint64_t now) {
    Worker& worker = workers_[index];
    const pid_t pid = worker.slot.pid();
    const std::uint64_t spawned_at = worker.slot.spawned_at();
    if (worker.control) read_control_of(index, now); // "ready" may still be waiting in it
    if (const auto leaver = leavers_.take(pid)) // "leaving" was: the slot waits for its successor
        return on_leaver_ended(*leaver, status, now);
    tell_end(index, pid, worker.score, spawned_at, status, now);
    count_end(worker.slot.state(), status);
    scoreboard_.retire(std::exchange(worker.score, kNoScore));
    worker.slot.on_ended(status, now);
    worker.control.reset();
    worker.wants_drain = worker.wants_log = false;
    ledger_.forget(index);
    if (worker.slot.state() == SlotState::failed)
        log_error("slot={} cannot start with this configuration, and is not tried again", index);
}

void Supervisor::on_leaver_ended(const Leaver& leaver, ExitStatus status, std::uint64_t now) {
    tell_end(leaver.slot, leaver.pid, leaver.score, leaver.spawned_at, status, now);
    count_end(SlotState::stopping, status);
    scoreboard_.retire(leaver.score);
}

void Supervisor::count_end(SlotState before, ExitStatus status) {
    if (stop_ != Stop::no) return;
    const bool hung = before == SlotState::aborting || before == SlotState::killing;
    scoreboard_.own().count(Metric::ended_workers, hung                 ? EndCause::hung
                                                   : status.clean()     ? EndCause::left
                                                   : status.by_signal() ? EndCause::crashed
                                                                        : EndCause::failed);
}

std::uint64_t Supervisor::tick_of(const Worker& worker) const {
    if (worker.score == kNoScore) return 0;
    return scoreboard_.slot(worker.score).tick_ms.load(std::memory_order_relaxed);
}

void Supervisor::tell_end(unsigned index, pid_t pid, unsigned score, std::uint64_t spawned_at,
                          ExitStatus status, std::uint64_t now) {
    const bool as_asked = stop_ == Stop::killed || (stop_ != Stop::no && status.clean());
    const LogLevel level = as_asked         ? LogLevel::debug
                           : status.clean() ? LogLevel::info
                                            : LogLevel::warn;
    if (!log_enabled(level)) return;
    const std::string request =
        status.clean() ? std::string() : scoreboard_.slot(score).last_request();
    log_line(level, fmt::format("slot={} worker {} {} after {:.1f} s{}{}", index, pid,
                                status.text(), static_cast<double>(now - spawned_at) / 1000,
                                request.empty() ? "" : "; last request: ", request));
}

// For who asks how the server is. Written only when it has changed.
void Supervisor::publish_processes() {
    std::vector<ProcessRow> rows;
    for (unsigned i = 0; i < workers_.size(); ++i) {
        const Worker& worker = workers_[i];
        rows.push_back(
            {.state = worker.has_left ? ProcessState::draining : shown_state(worker.slot.state()),
             .slot = i,
             .score = worker.score,
             .generation = server_row_.generation,
             .pid = worker.slot.pid(),
             .spawned_ms = worker.slot.spawned_at()});
    }
    for (const Leaver& leaver : leavers_.all())
        rows.push_back({.state = ProcessState::draining,
                        .slot = leaver.slot,
                        .score = leaver.score,
                        .generation = server_row_.generation,
                        .pid = leaver.pid,
                        .spawned_ms = leaver.spawned_at});
    ServerRow server = server_row_;
    server.workers = workers_.size();
    server.draining = stop_ != Stop::no;
    if (server == server_row_ && rows == process_rows_) return;
    server_row_ = server;
    process_rows_ = std::move(rows);
    scoreboard_.publish(server_row_, process_rows_);
}

// When nobody serves and nobody is on the way, the pause after repeated deaths would be
// everybody's.
void Supervisor::hurry_when_alone() {
    if (!started_ || stop_ != Stop::no) return;
    Worker* first = nullptr;
    for (Worker& worker : workers_) {
        if (worker.slot.is_serving() || worker.slot.state() == SlotState::starting) return;
        if (worker.slot.state() != SlotState::waiting) continue;
        if (first == nullptr || worker.slot.next_deadline() < first->slot.next_deadline())
            first = &worker;
    }
    if (first != nullptr) first->slot.hurry();
}

Health Supervisor::health() const {
    Health health{.ready = count(SlotState::ready),
                  .wanted = static_cast<unsigned>(workers_.size()),
                  .left = static_cast<unsigned>(leavers_.all().size()),
                  .stopping = stop_ != Stop::no};
    for (const Worker& worker : workers_) {
        health.serving = health.serving || worker.slot.is_serving();
        health.left += worker.slot.has_process() ? 1 : 0;
    }
    return health;
}

} // namespace fsrv
