#include "supervisor/stopping.h"

#include "common/log.h"

#include <algorithm>
#include <csignal>

namespace fsrv {
namespace {

constexpr std::uint64_t kRefuseAfterMs =
    1'000; // from the drain to shut sockets: time to empty the queues
constexpr std::uint64_t kAfterKillMs = 2'000; // for the kernel to end a killed process

} // namespace

void Stopping::ask(Stop how, std::uint64_t now) {
    const auto delay_ms =
        static_cast<std::uint64_t>(crew_.current().config.options.drain_delay.count());
    if (phase_.is_stopping() || !phase_.started || delay_ms == 0) return stop(how, now);
    announce(how, delay_ms, now);
}

void Stopping::announce(Stop how, std::uint64_t delay_ms, std::uint64_t now) {
    crew_.announce_stop();
    log_info("stopping in {} ms; /-/health says so already", delay_ms);
    stop_at_ = now + delay_ms;
    stop_how_ = how;
    phase_.stop_announced = true;
    upgrade_.give_up();
    if (on_stopping_)
        on_stopping_(how == Stop::unhurried ? kNever : delay_ms + crew_.current().grace_ms());
}

void Stopping::stop(Stop how, std::uint64_t now) {
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
        if (on_stopping_) on_stopping_(kill_at_ == kNever ? kNever : kill_at_ - now);
    }
    if (how != Stop::killed) crew_.drain(drain_ms);
    crew_.leavers().limit(kill_at_);
    crew_.send_what_is_due();
    watch(now);
}

void Stopping::fail(int exit_status, std::uint64_t now) {
    exit_status_ = exit_status;
    stop(Stop::killed, now);
}

void Stopping::watch(std::uint64_t now) {
    if (now >= stop_at_) return stop(stop_how_, now);
    if (now >= refuse_at_ || (refuse_at_ != kNever && all_have_left())) {
        refuse_at_ = kNever;
        sockets_.stop_listening();
    }
    if (now < kill_at_) return;
    kill_at_ = kNever;
    give_up_at_ = now + kAfterKillMs;
    kill_who_is_left();
}

// Workers that have left took what waited in their queues; there is nobody for the next one. Those
// of an earlier generation, or of another number, may not have read yet that they retire.
bool Stopping::all_have_left() const {
    const std::vector<Worker>& workers = crew_.current().workers;
    return crew_.leavers().empty() &&
           std::none_of(workers.begin(), workers.end(),
                        [](const Worker& w) { return w.slot.has_process() && !w.has_left; });
}

void Stopping::kill_who_is_left() {
    for (Worker& worker : crew_.current().workers) {
        if (worker.slot.kill_now() != SlotAction::kill) continue;
        if (phase_.stop != Stop::killed)
            log_warn("worker {} has not ended in time; killing it", worker.slot.pid());
        ops_.kill(worker.slot.pid(), SIGKILL);
    }
}

std::uint64_t Stopping::next_deadline() const {
    return std::min({stop_at_, refuse_at_, kill_at_, give_up_at_});
}

bool Stopping::is_over(std::uint64_t now) const {
    return phase_.stop != Stop::no && (crew_.is_empty() || now >= give_up_at_);
}

int Stopping::end() {
    sockets_.stop_listening();
    petitions_.answer(CtlKind::stop, exit_status_ == kExitOk, "stopped");
    return exit_status_;
}

} // namespace fsrv
