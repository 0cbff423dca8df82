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
    const auto delay_ms =
        static_cast<std::uint64_t>(crew_.current().config.options.drain_delay.count());
    if (phase_.is_stopping() || !phase_.started || delay_ms == 0) return stop(how, now);
    log_info("stopping in {} ms; /-/health says so already", delay_ms);
    stop_at_ = now + delay_ms;
    phase_.stop_announced = true;
    stop_how_ = how;
    upgrade_.give_up();
    for (Generation* generation : crew_.generations())
        for (Worker& worker : generation->workers)
            worker.wants_announcement = worker.slot.has_process();
    if (setup_.on_stopping)
        setup_.on_stopping(how == Stop::unhurried ? kNever : delay_ms + crew_.current().grace_ms());
    crew_.send_what_is_due();
}

void Supervisor::stop(Stop how, std::uint64_t now) {
    if (how <= phase_.stop) return;
    const bool first = phase_.stop == Stop::no;
    stop_at_ = kNever;
    phase_.stop_announced = false;
    phase_.stop = how;
    const std::uint64_t grace_ms = crew_.current().grace_ms();
    std::uint64_t drain_ms = 0; // without a limit
    if (how == Stop::killed) {
        log_info("stopping at once");
        kill_at_ = now;
    } else if (how == Stop::hurried) {
        log_info("stopping within {} ms", grace_ms);
        drain_ms = std::max<std::uint64_t>(grace_ms, 1);
        kill_at_ = now + grace_ms + kOvertimeMs;
    } else {
        log_info("stopping as soon as all downloads are finished");
    }
    if (first) {
        upgrade_.give_up();
        reload_.give_up(now);
        petitions_.answer(CtlKind::workers, false, "the server stops");
        refuse_at_ = now + kRefuseAfterMs;
        for (Worker& worker : crew_.current().workers) worker.slot.stop();
        if (setup_.on_stopping) setup_.on_stopping(kill_at_ == kNever ? kNever : kill_at_ - now);
    }
    if (how != Stop::killed) crew_.drain(drain_ms);
    crew_.leavers().limit(kill_at_);
    crew_.send_what_is_due();
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
        crew_.leavers().empty() &&
        std::none_of(crew_.current().workers.begin(), crew_.current().workers.end(),
                     [](const Worker& w) { return w.slot.has_process() && !w.has_left; });
    if (now >= refuse_at_ || (refuse_at_ != kNever && all_left)) {
        refuse_at_ = kNever;
        setup_.sockets.stop_listening();
    }
    if (now < kill_at_) return;
    kill_at_ = kNever;
    give_up_at_ = now + kAfterKillMs;
    for (Worker& worker : crew_.current().workers) {
        if (worker.slot.kill_now() != SlotAction::kill) continue;
        if (phase_.stop != Stop::killed)
            log_warn("worker {} has not ended in time; killing it", worker.slot.pid());
        ops_.kill(worker.slot.pid(), SIGKILL);
    }
}

} // namespace fsrv
