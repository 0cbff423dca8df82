#include "supervisor/worker_slot.h"

#include "common/heritage.h"
#include "common/limits.h"

#include <algorithm>

namespace fsrv {

std::string_view name_of(SlotState state) {
    switch (state) {
    case SlotState::waiting: return "waiting";
    case SlotState::starting: return "starting";
    case SlotState::ready: return "ready";
    case SlotState::silent: return "silent";
    case SlotState::ending: return "ending";
    case SlotState::aborting: return "aborting";
    case SlotState::killing: return "killing";
    case SlotState::stopping: return "stopping";
    case SlotState::failed: return "failed";
    case SlotState::gone: return "gone";
    }
    return "?";
}

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

std::uint64_t respawn_delay_ms(unsigned deaths) {
    if (deaths < 2) return 0;
    const unsigned doublings = std::min(deaths - 2, 20U);
    return std::min(limits::kFirstRespawnMs << doublings, limits::kMaxRespawnMs);
}

bool WorkerSlot::had_its_chance() const {
    return ever_ready_ || state_ == SlotState::failed || failed_starts_ >= kStartAttempts;
}

void WorkerSlot::on_spawned(pid_t pid, std::uint64_t tick, std::uint64_t now) {
    pid_ = pid;
    state_ = SlotState::starting;
    spawned_at_ = alive_at_ = now;
    tick_ = tick;
    is_ready_ = false;
    due_ = now + limits::kStartTimeoutMs;
}

void WorkerSlot::on_spawn_failed(std::uint64_t now) {
    ++failed_starts_;
    deaths_ = std::max(deaths_ + 1,
                       2U); // the system lacks something: trying again at once would not help
    ended_at_ = now;
    due_ = now + respawn_delay_ms(deaths_);
}

bool WorkerSlot::on_ready(std::uint64_t now) {
    if (is_ready_ || (state_ != SlotState::starting && state_ != SlotState::stopping)) return false;
    if (state_ == SlotState::starting) state_ = SlotState::ready;
    is_ready_ = ever_ready_ = true;
    ready_at_ = alive_at_ = now;
    due_ = kNever;
    return true;
}

void WorkerSlot::on_channel_closed(std::uint64_t now) {
    if (state_ != SlotState::starting && !is_serving()) return;
    state_ = SlotState::ending;
    due_ = now + kEndingMs;
}

bool WorkerSlot::hand_over(std::uint64_t now) {
    if (!is_serving()) return false;
    pid_ = 0;
    wait_for_successor(now);
    return true;
}

void WorkerSlot::dismiss() {
    stop_ = true;
    pid_ = 0;
    state_ = SlotState::gone;
    due_ = kNever;
}

SlotAction WorkerSlot::on_time(std::uint64_t tick, std::uint64_t now) {
    if (heart_is_watched()) {
        observe(tick, now);
        const std::uint64_t age = now - alive_at_;
        if (age >= hang_timeout_ms_) return abort_now(now);
        if (state_ == SlotState::ready && age >= limits::kCoverMs) state_ = SlotState::silent;
        if (state_ == SlotState::silent && age < limits::kCoverMs) state_ = SlotState::ready;
    }
    if (now < due_) return SlotAction::none;
    switch (state_) {
    case SlotState::waiting: return SlotAction::spawn;
    case SlotState::starting:
        failed_starts_ = kStartAttempts; // nobody waits for a second one of this length
        return abort_now(now);
    case SlotState::stopping:
    case SlotState::ending: return abort_now(now);
    case SlotState::aborting:
        state_ = SlotState::killing;
        due_ = kNever;
        return SlotAction::kill;
    default: return SlotAction::none;
    }
}

void WorkerSlot::forgive_silence(std::uint64_t now) {
    alive_at_ = now;
    if (state_ == SlotState::starting) due_ = now + limits::kStartTimeoutMs;
}

void WorkerSlot::on_ended(ExitStatus status, std::uint64_t now) {
    pid_ = 0;
    if (stop_) {
        state_ = SlotState::gone;
        due_ = kNever;
        return;
    }
    if (!ever_ready_ && status.exited_with(kExitUsage)) {
        state_ = SlotState::failed;
        due_ = kNever;
        return;
    }
    wait_for_successor(now);
}

void WorkerSlot::wait_for_successor(std::uint64_t now) {
    if (is_ready_ && now - ready_at_ >= limits::kHealthyMs) deaths_ = 0;
    if (!is_ready_) ++failed_starts_;
    ++deaths_;
    ended_at_ = now;
    state_ = SlotState::waiting;
    due_ = now + respawn_delay_ms(deaths_);
}

void WorkerSlot::hurry() {
    if (state_ == SlotState::waiting) due_ = std::min(due_, ended_at_ + kAloneRespawnMs);
}

void WorkerSlot::stop() {
    stop_ = true;
    if (state_ == SlotState::aborting || state_ == SlotState::killing) return;
    // One that is still starting keeps its deadline: it may hang before it reads that it should
    // stop.
    if (state_ != SlotState::starting) due_ = kNever;
    state_ = has_process() ? SlotState::stopping : SlotState::gone;
}

SlotAction WorkerSlot::kill_now() {
    if (!has_process()) return SlotAction::none;
    state_ = SlotState::killing;
    due_ = kNever;
    return SlotAction::kill;
}

std::uint64_t WorkerSlot::next_deadline() const {
    if (!heart_is_watched()) return due_;
    const std::uint64_t age_that_matters = state_ == SlotState::ready
                                               ? std::min(limits::kCoverMs, hang_timeout_ms_)
                                               : hang_timeout_ms_;
    // While it is silent, look every tick whether it is back.
    const std::uint64_t look_again =
        state_ == SlotState::silent ? observed_at_ + limits::kTickMs : kNever;
    return std::min({due_, alive_at_ + age_that_matters, look_again});
}

// A process that was ready once should tick until it ends, also while it finishes its downloads.
bool WorkerSlot::heart_is_watched() const {
    return is_ready_ && (state_ == SlotState::ready || state_ == SlotState::silent ||
                         state_ == SlotState::stopping);
}

// A tick that moved is a heartbeat. The time it names is believed only as far as it is plausible.
void WorkerSlot::observe(std::uint64_t tick, std::uint64_t now) {
    observed_at_ = now;
    if (tick == tick_) return;
    tick_ = tick;
    alive_at_ = tick > alive_at_ && tick <= now ? tick : now;
}

SlotAction WorkerSlot::abort_now(std::uint64_t now) {
    state_ = SlotState::aborting;
    due_ = now + limits::kAbortToKillMs;
    return SlotAction::abort;
}

} // namespace fsrv
