// The supervisor's dealings with its workers: start, watch, end.

#include "supervisor/supervisor.h"

#include "common/cgroup.h"
#include "common/control.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/open_files.h"
#include "supervisor/memory_budgets.h"

#include <algorithm>
#include <csignal>
#include <utility>

namespace fsrv {

void Supervisor::spawn(Generation& generation, unsigned index, std::uint64_t now) {
    Worker& worker = generation.workers[index];
    const auto score = scoreboard_.take();
    worker.score = score.value_or(kNoScore);
    Result<ControlPair, Errno> channel = unexpected(Errno{EAGAIN});
    if (score) channel = open_control_pair();
    Result<pid_t, Errno> pid = unexpected(channel ? Errno{} : channel.error());
    if (channel) {
        // Before the fork, so that the child closes it like the others.
        worker.control = std::move(channel->supervisor);
        pid = ops_.spawn(std::move(channel->worker), [&](UniqueFd control) {
            return run_worker(generation, index, std::move(control));
        });
    }
    if (!pid) {
        if (score) scoreboard_.retire(*score);
        worker.score = kNoScore;
        worker.control.reset();
        worker.slot.on_spawn_failed(now);
        if (score && pid.error().code == EAGAIN) tell_task_limit(generation, now);
        log_warn("slot={} cannot start a worker: {}; the next attempt is in {} ms", index,
                 errno_text(pid.error().code), worker.slot.next_deadline() - now);
        return;
    }
    worker.useless = 0;
    worker.core_use = {};
    worker.has_left = false;
    worker.slot.on_spawned(*pid, tick_of(worker), now);
    log_debug("slot={} worker {} started", index, *pid);
}

// In the child. Memory is a copy of the supervisor's; descriptors that are the supervisor's alone
// are closed.
int Supervisor::run_worker(Generation& generation, unsigned index, UniqueFd control) {
    close_what_is_ours(generation);
    scoreboard_.keep_only(generation.workers[index].score);
    if (setup_.admin != nullptr) setup_.admin->forget();
    Configuration& config = generation.config;
    log_set_level(config.options.log_level); // ours is the one of the generation that serves
    Heritage heritage{.slot = index,
                      .supervisor_pid = supervisor_pid_,
                      .options = &config.options,
                      .sockets = setup_.sockets.sockets(),
                      .root_fd = config.root.fd.get(),
                      .root_path = config.root.path,
                      .control = std::move(control),
                      .access_log = config.access_log.take(),
                      .credentials = config.credentials,
                      .score = &scoreboard_.slot(generation.workers[index].score),
                      .budgets = memory_budgets(config.options, own_cgroup_limits().memory),
                      .stop_announced = stop_at_ != kNever};
    heritage.budgets.open_files = open_files_limit().soft;
    return setup_.worker_main(std::move(heritage));
}

int Supervisor::run_admin(UniqueFd control, unsigned score) {
    close_what_is_ours(*current_);
    scoreboard_.keep_only(score);
    Configuration& config = current_->config;
    config.access_log.take().reset();
    Heritage heritage{.admin = true,
                      .supervisor_pid = supervisor_pid_,
                      .options = &config.options,
                      .sockets = setup_.sockets.sockets(),
                      .root_fd = config.root.fd.get(),
                      .control = std::move(control),
                      .credentials = config.credentials,
                      .score = &scoreboard_.slot(score),
                      .scoreboard = &scoreboard_,
                      .admin_sockets = setup_.admin->fds()};
    return setup_.worker_main(std::move(heritage));
}

// In a child, which is of one generation and speaks to nobody but us.
void Supervisor::close_what_is_ours(Generation& kept) {
    (&kept == current_.get() ? next_ : current_).reset();
    leavers_ = {};
    for (Errand* errand : errands()) errand->forget();
    successor_.reset();
    setup_.predecessor.reset();
    petitions_.forget();
    if (setup_.in_child) setup_.in_child();
    if (admin_) admin_->close_in_child();
    for (Worker& worker : kept.workers) worker.control.reset();
}

void Supervisor::watch_time(Generation& generation, std::uint64_t now) {
    for (unsigned i = 0; i < generation.workers.size(); ++i) {
        WorkerSlot& slot = generation.workers[i].slot;
        const SlotState before = slot.state();
        const SlotAction action = slot.on_time(tick_of(generation.workers[i]), now);
        if (before == SlotState::ready && slot.state() == SlotState::silent)
            log_info("slot={} worker {} has been silent for {} ms; a neighbour helps out", i,
                     slot.pid(), limits::kCoverMs);
        if (before == SlotState::silent && slot.state() == SlotState::ready)
            log_info("slot={} worker {} is back", i, slot.pid());
        switch (action) {
        case SlotAction::none: break;
        case SlotAction::spawn: spawn(generation, i, now); break;
        case SlotAction::abort:
            log_warn("slot={} worker {} {}; aborting it", i, slot.pid(),
                     before == SlotState::starting ? "did not become ready in time" : "hangs");
            ops_.kill(slot.pid(), SIGABRT);
            break;
        case SlotAction::kill: ops_.kill(slot.pid(), SIGKILL); break;
        }
    }
}

void Supervisor::watch_leavers(std::uint64_t now) {
    for (const pid_t pid : leavers_.overdue(now)) {
        log_warn("worker {} has not left in time; killing it", pid);
        ops_.kill(pid, SIGKILL);
    }
}

// It has closed its sockets but not ended: its slot gets a successor at once, as after a death.
void Supervisor::on_leaving(Generation& generation, unsigned index, std::uint64_t now) {
    Worker& worker = generation.workers[index];
    worker.has_left = true;
    if (!worker.slot.is_serving()) return; // asked to stop, or about to end anyway
    log_info("slot={} worker {} leaves; another one takes its place", index, worker.slot.pid());
    leavers_.add({.slot = index,
                  .pid = worker.slot.pid(),
                  .spawned_at = worker.slot.spawned_at(),
                  .must_end_at = now + generation.grace_ms() + kOvertimeMs,
                  .score = std::exchange(worker.score, kNoScore),
                  .generation = generation.number,
                  .control = std::move(worker.control),
                  .log_path = generation.config.access_log.path()});
    worker.slot.hand_over(now);
    worker.wants_log = false;
    generation.ledger.forget(index);
}

// Others serve its sockets, or will: it finishes what it has. The slot has no worker afterwards.
void Supervisor::retire(Generation& generation, unsigned index, std::uint64_t now) {
    Worker& worker = generation.workers[index];
    WorkerSlot& slot = worker.slot;
    if (slot.has_process()) {
        const bool is_starting = slot.state() == SlotState::starting;
        const bool is_dying = !is_starting && !slot.is_serving();
        // One that has not said yet that it is ready has accepted little, and may be hanging.
        const std::uint64_t limit_ms =
            is_starting ? std::min(generation.grace_ms(), kEndingMs) : generation.grace_ms();
        leavers_.add(
            {.slot = index,
             .pid = slot.pid(),
             .spawned_at = slot.spawned_at(),
             .must_end_at = now + (is_dying ? limits::kAbortToKillMs : limit_ms + kOvertimeMs),
             .score = std::exchange(worker.score, kNoScore),
             .generation = generation.number,
             .control = std::move(worker.control),
             .log_path = generation.config.access_log.path(),
             .retire_ms = std::max<std::uint64_t>(limit_ms, 1)});
    }
    slot.dismiss();
    worker.control.reset();
    worker.wants_drain = worker.wants_log = worker.wants_announcement = false;
    generation.ledger.forget(index);
}

void Supervisor::reap_workers(std::uint64_t now) {
    while (const auto ended = ops_.reap()) {
        Generation* generation = nullptr;
        Worker* worker = nullptr;
        for (Generation* candidate : {current_.get(), next_.get()}) {
            if (candidate == nullptr || worker != nullptr) continue;
            generation = candidate;
            worker = candidate->find(ended->pid);
        }
        if (worker != nullptr)
            on_worker_ended(*generation, generation->index_of(*worker), ended->status, now);
        else if (const auto leaver = leavers_.take(ended->pid))
            on_leaver_ended(*leaver, ended->status, now);
        else if (admin_ && admin_->on_ended(*ended, now))
            continue;
        else if (!is_errands_end(ended->pid) && !is_successors_end(ended->pid, ended->status))
            log_debug("process {} {}; it was none of ours", ended->pid, ended->status.text());
    }
}

void Supervisor::on_worker_ended(Generation& generation, unsigned index, ExitStatus status,
                                 std::uint64_t now) {
    Worker& worker = generation.workers[index];
    const pid_t pid = worker.slot.pid();
    const std::uint64_t spawned_at = worker.slot.spawned_at();
    if (worker.control) // "ready" may still be waiting in it
        read_control_of(generation, index, now);
    if (const auto leaver = leavers_.take(pid)) // "leaving" was: the slot waits for its successor
        return on_leaver_ended(*leaver, status, now);
    tell_end(index, pid, worker.score, spawned_at, status, now);
    count_end(worker.slot.state(), status);
    scoreboard_.retire(std::exchange(worker.score, kNoScore));
    sockets_due_ = now;
    if (status.exited_with(kExitTasks)) tell_task_limit(generation, now);
    worker.slot.on_ended(status, now);
    worker.control.reset();
    worker.wants_drain = worker.wants_log = worker.wants_announcement = false;
    generation.ledger.forget(index);
    if (worker.slot.state() == SlotState::failed)
        log_error("slot={} cannot start with this configuration, and is not tried again", index);
}

void Supervisor::on_leaver_ended(const Leaver& leaver, ExitStatus status, std::uint64_t now) {
    tell_end(leaver.slot, leaver.pid, leaver.score, leaver.spawned_at, status, now);
    count_end(SlotState::stopping, status);
    scoreboard_.retire(leaver.score);
}

std::vector<Errand*> Supervisor::errands() const {
    std::vector<Errand*> all;
    if (loading_ && loading_->errand() != nullptr) all.push_back(loading_->errand());
    for (const LogOnItsWay& log : logs_on_their_way_)
        if (log.fd.errand() != nullptr) all.push_back(log.fd.errand());
    return all;
}

// It is back, or is not waited for any more; until it has ended its process is remembered.
void Supervisor::give_up(const Errand* errand) {
    if (errand != nullptr && !errand->reaped()) stuck_errands_.push_back(errand->pid());
}

bool Supervisor::is_errands_end(pid_t pid) {
    for (Errand* errand : errands()) {
        if (errand->pid() != pid) continue;
        errand->on_reaped();
        return true;
    }
    return std::erase(stuck_errands_, pid) > 0;
}

std::uint64_t Supervisor::tick_of(const Worker& worker) const {
    if (worker.score == kNoScore) return 0;
    return scoreboard_.slot(worker.score).tick_ms.load(std::memory_order_relaxed);
}

// When nobody serves and nobody is on the way, the pause after repeated deaths would be
// everybody's.
void Supervisor::hurry_when_alone() {
    if (!started_ || stop_ != Stop::no) return;
    Worker* first = nullptr;
    for (Worker& worker : current_->workers) {
        if (worker.slot.is_serving() || worker.slot.state() == SlotState::starting) return;
        if (worker.slot.state() != SlotState::waiting) continue;
        if (first == nullptr || worker.slot.next_deadline() < first->slot.next_deadline())
            first = &worker;
    }
    if (first != nullptr) first->slot.hurry();
}

} // namespace fsrv
