// The end: drain, then kill who does not end.
#include "supervisor/supervisor.h"

#include "common/control.h"
#include "common/log.h"

#include <algorithm>
#include <csignal>

namespace fsrv {
namespace {

constexpr std::uint64_t kRefuseAfterMs =
    1'000; // from the drain to shut sockets: time to empty the queues
constexpr std::uint64_t kAfterKillMs = 2'000; // for the kernel to end a killed process

} // namespace

// With --drain-delay balancers have that long to see it in /-/health, while nothing else changes.
// Whoever asks again does not want to wait.
void Supervisor::ask_to_stop(Stop how, std::uint64_t now) {
    const auto delay_ms = static_cast<std::uint64_t>(current_->config.options.drain_delay.count());
    if (stop_ != Stop::no || stop_at_ != kNever || !started_ || delay_ms == 0)
        return stop(how, now);
    log_info("stopping in {} ms; /-/health says so already", delay_ms);
    stop_at_ = now + delay_ms;
    stop_how_ = how;
    if (successor_) drop_successor("the server stops"); // it has not heard, and would serve on
    for (Generation* generation : {current_.get(), next_.get()}) {
        if (generation == nullptr) continue;
        for (Worker& worker : generation->workers)
            worker.wants_announcement = worker.slot.has_process();
    }
    if (setup_.on_stopping)
        setup_.on_stopping(how == Stop::unhurried ? kNever : delay_ms + current_->grace_ms());
    send_what_is_due();
}

void Supervisor::stop(Stop how, std::uint64_t now) {
    if (how <= stop_) return;
    const bool first = stop_ == Stop::no;
    stop_at_ = kNever;
    stop_ = how;
    const std::uint64_t grace_ms = current_->grace_ms();
    if (how == Stop::killed) {
        log_info("stopping at once");
        kill_at_ = now;
    } else if (how == Stop::hurried) {
        log_info("stopping within {} ms", grace_ms);
        drain_ms_ = std::max<std::uint64_t>(grace_ms, 1); // 0 would mean: without a limit
        kill_at_ = now + grace_ms + kOvertimeMs;
    } else {
        log_info("stopping as soon as all downloads are finished");
        drain_ms_ = 0;
    }
    if (first) {
        reload_again_ = false;
        if (successor_) drop_successor("the server stops");
        if (loading_) give_up(loading_->errand());
        loading_.reset();
        if (next_) discard_next(now);
        petitions_.answer(CtlKind::reload, false, "not reloaded: the server stops");
        petitions_.refuse_next(CtlKind::reload, "not reloaded: the server stops");
        petitions_.answer(CtlKind::workers, false, "the server stops");
        refuse_at_ = now + kRefuseAfterMs;
        for (Worker& worker : current_->workers) worker.slot.stop();
        if (setup_.on_stopping) setup_.on_stopping(kill_at_ == kNever ? kNever : kill_at_ - now);
    }
    if (how != Stop::killed) {
        for (Worker& worker : current_->workers) worker.wants_drain = worker.slot.has_process();
        for (const Leaver& leaver : leavers_.all())
            send_control(leaver.control.get(), {.kind = ControlKind::drain, .value = drain_ms_});
    }
    leavers_.limit(kill_at_);
    send_what_is_due();
    watch_stopping(now);
}

void Supervisor::stop_failed(int exit_status, std::uint64_t now) {
    exit_status_ = exit_status;
    stop(Stop::killed, now);
}

void Supervisor::watch_stopping(std::uint64_t now) {
    if (now >= stop_at_) return stop(stop_how_, now);
    // Workers that have left took what waited in their queues; there is nobody for the next one.
    // Those of an earlier generation, or of another number, may not have read yet that they retire.
    const bool all_left =
        leavers_.empty() &&
        std::none_of(current_->workers.begin(), current_->workers.end(),
                     [](const Worker& w) { return w.slot.has_process() && !w.has_left; });
    if (now >= refuse_at_ || (refuse_at_ != kNever && all_left)) {
        refuse_at_ = kNever;
        setup_.sockets.stop_listening();
    }
    if (now < kill_at_) return;
    kill_at_ = kNever;
    give_up_at_ = now + kAfterKillMs;
    for (Worker& worker : current_->workers) {
        if (worker.slot.kill_now() != SlotAction::kill) continue;
        if (stop_ != Stop::killed)
            log_warn("worker {} has not ended in time; killing it", worker.slot.pid());
        ops_.kill(worker.slot.pid(), SIGKILL);
    }
}

} // namespace fsrv
