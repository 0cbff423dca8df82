#include "supervisor/crew.h"

#include "common/control.h"
#include "common/limits.h"
#include "common/log.h"
#include "supervisor/hearing.h"
#include "supervisor/worker_end.h"

#include <algorithm>
#include <csignal>
#include <utility>

namespace fsrv {
namespace {

constexpr std::uint64_t kLookAtSocketsMs = 5'000; // or when a worker has ended
constexpr std::uint64_t kResendMs = 100;          // a channel that was full

} // namespace

Crew::Crew(Setup setup, const Phase& phase, Scoreboard& scoreboard, ProcessOps& ops)
    : phase_(phase),
      scoreboard_(scoreboard),
      ops_(ops),
      sockets_(setup.sockets),
      slots_(setup.slots),
      in_child_(std::move(setup.in_child)),
      spawner_({.sockets = setup.sockets,
                .admin = setup.admin,
                .worker_main = setup.worker_main,
                .scoreboard = scoreboard,
                .tickets = setup.tickets,
                .clients = setup.clients,
                .ops = ops}),
      current_(std::make_unique<Generation>(1, std::move(setup.config), slots_, setup.workers)) {}

std::vector<Generation*> Crew::generations() {
    std::vector<Generation*> all = {current_.get()};
    if (next_) all.push_back(next_.get());
    return all;
}

bool Crew::is_empty() const {
    return current_->wanted() == 0 && leavers_.empty();
}

void Crew::spawn(Generation& generation, unsigned index, std::uint64_t now) {
    spawner_.spawn_worker(
        generation, index, [&] { close_in_child(generation); }, now);
}

void Crew::add_worker(unsigned index, std::uint64_t now) {
    current_->workers[index].slot = current_->new_slot();
    spawn(*current_, index, now);
}

// A child is of one generation and speaks to nobody but us.
void Crew::close_in_child(Generation& kept) {
    (&kept == current_.get() ? next_ : current_).reset();
    leavers_ = {};
    if (in_child_) in_child_();
    for (Worker& worker : kept.workers) worker.control.reset();
}

int Crew::run_admin(UniqueFd control, unsigned score) {
    close_in_child(*current_);
    return spawner_.run_admin(*current_, std::move(control), score);
}

void Crew::watch(bool late, std::uint64_t now) {
    for (Generation* generation : generations()) {
        if (late)
            for (Worker& worker : generation->workers) worker.slot.forgive_silence(now);
        for (unsigned i = 0; i < generation->workers.size(); ++i) hear(*generation, i, now);
        if (generation == current_.get() && phase_.started && phase_.stop == Stop::no)
            generation->hurry_when_alone();
        watch_time(*generation, now);
    }
    for (const pid_t pid : leavers_.overdue(now)) {
        log_warn("worker {} has not left in time; killing it", pid);
        ops_.kill(pid, SIGKILL);
    }
}

void Crew::watch_time(Generation& generation, std::uint64_t now) {
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

std::uint64_t Crew::tick_of(const Worker& worker) const {
    if (worker.score == kNoScore) return 0;
    return scoreboard_.slot(worker.score).tick_ms.load(std::memory_order_relaxed);
}

void Crew::hear(Generation& generation, unsigned index, std::uint64_t now) {
    unsigned budget = kMessagesPerTurn;
    while (hear_that_it_leaves(generation.workers[index], index, budget, now))
        on_leaving(generation, index, now);
}

// It has closed its sockets but not ended: its slot gets a successor at once, as after a death.
void Crew::on_leaving(Generation& generation, unsigned index, std::uint64_t now) {
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

bool Crew::on_ended(const EndedProcess& ended, std::uint64_t now) {
    for (Generation* generation : generations())
        if (Worker* worker = generation->find(ended.pid)) {
            on_worker_ended(*generation, generation->index_of(*worker), ended.status, now);
            return true;
        }
    const auto leaver = leavers_.take(ended.pid);
    if (leaver) on_leaver_ended(*leaver, ended.status, now);
    return leaver.has_value();
}

void Crew::on_worker_ended(Generation& generation, unsigned index, ExitStatus status,
                           std::uint64_t now) {
    Worker& worker = generation.workers[index];
    const pid_t pid = worker.slot.pid();
    const std::uint64_t spawned_at = worker.slot.spawned_at();
    hear(generation, index, now);               // "ready" may still be waiting in its channel
    if (const auto leaver = leavers_.take(pid)) // "leaving" was: the slot waits for its successor
        return on_leaver_ended(*leaver, status, now);
    report({.slot = index,
            .pid = pid,
            .score = worker.score,
            .spawned_at = spawned_at,
            .before = worker.slot.state(),
            .status = status},
           scoreboard_, phase_.stop, now);
    spawner_.free_places(std::exchange(worker.score, kNoScore));
    sockets_due_ = now;
    if (status.exited_with(kExitTasks)) spawner_.tell_task_limit(generation.config.options, now);
    worker.slot.on_ended(status, now);
    worker.control.reset();
    worker.wants_drain = worker.wants_log = false;
    generation.ledger.forget(index);
    if (worker.slot.state() == SlotState::failed)
        log_error("slot={} cannot start with this configuration, and is not tried again", index);
}

void Crew::on_leaver_ended(const Leaver& leaver, ExitStatus status, std::uint64_t now) {
    report({.slot = leaver.slot,
            .pid = leaver.pid,
            .score = leaver.score,
            .spawned_at = leaver.spawned_at,
            .before = SlotState::stopping,
            .status = status},
           scoreboard_, phase_.stop, now);
    spawner_.free_places(leaver.score);
}

void Crew::retire(Generation& generation, unsigned index, std::uint64_t now) {
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
    worker.wants_drain = worker.wants_log = false;
    generation.ledger.forget(index);
}

void Crew::retire_all(Generation& generation, std::uint64_t now) {
    for (unsigned i = 0; i < generation.workers.size(); ++i) retire(generation, i, now);
}

void Crew::begin_next(Configuration config, unsigned workers, std::uint64_t now) {
    next_ = std::make_unique<Generation>(current_->number + 1, std::move(config), slots_, workers);
    watch_time(*next_, now);
}

std::unique_ptr<Generation> Crew::promote_next() {
    return std::exchange(current_, std::move(next_));
}

void Crew::discard_next(std::uint64_t now) {
    retire_all(*next_, now);
    next_.reset();
}

void Crew::see_that_sockets_listen(std::uint64_t now) {
    if (now < sockets_due_) return;
    sockets_due_ = now + kLookAtSocketsMs;
    if (const unsigned mended = sockets_.mend(); mended > 0)
        log_warn("{} listening sockets had been shut or changed, by a worker or who else has them; "
                 "they are as they were",
                 mended);
}

// Before the start is announced every slot is still getting its own worker, and nobody was told to
// come: passing slots around would only delay the start.
void Crew::see_that_all_are_served() {
    orders_.begin();
    if (phase_.started && phase_.stop == Stop::no) orders_.cover(*current_);
}

void Crew::send_what_is_due() {
    for (Generation* generation : generations()) orders_.send_due(*generation, drain_ms_);
    orders_.send_due(leavers_);
}

void Crew::drain(std::uint64_t drain_ms) {
    drain_ms_ = drain_ms;
    for (Worker& worker : current_->workers) worker.wants_drain = worker.slot.has_process();
    for (const Leaver& leaver : leavers_.all())
        send_control(leaver.control.get(), {.kind = ControlKind::drain, .value = drain_ms_});
}

std::uint64_t Crew::next_deadline() const {
    std::uint64_t earliest = std::min(leavers_.next_deadline(), current_->next_deadline());
    if (next_) earliest = std::min(earliest, next_->next_deadline());
    if (orders_.something_is_left()) earliest = std::min(earliest, ops_.now_ms() + kResendMs);
    return earliest;
}

void Crew::append_fds(std::vector<pollfd>& fds) const {
    for (const Generation* generation : {current_.get(), next_.get()}) {
        if (generation == nullptr) continue;
        for (const Worker& worker : generation->workers)
            if (is_listened_to(worker))
                fds.push_back({.fd = worker.control.get(), .events = POLLIN, .revents = 0});
    }
}

} // namespace fsrv
