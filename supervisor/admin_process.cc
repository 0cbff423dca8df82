#include "supervisor/admin_process.h"

#include "common/control.h"
#include "common/limits.h"
#include "common/log.h"

#include <algorithm>
#include <csignal>
#include <utility>

namespace fsrv {
namespace {

constexpr std::uint64_t kStopMs = 1'000;
constexpr unsigned kAdminMessagesPerTurn = 16;

} // namespace

AdminProcess::AdminProcess(Scoreboard& scoreboard, ProcessOps& ops, std::uint64_t hang_timeout_ms,
                           Child child)
    : scoreboard_(scoreboard), ops_(ops), child_(std::move(child)), slot_(hang_timeout_ms) {}

void AdminProcess::turn(std::uint64_t now) {
    if (control_) read_control(now);
    const std::uint64_t tick =
        score_ == kNoScore ? 0 : scoreboard_.slot(score_).tick_ms.load(std::memory_order_relaxed);
    switch (slot_.on_time(tick, now)) {
    case SlotAction::none: break;
    case SlotAction::spawn: spawn(now); break;
    case SlotAction::abort:
        log_warn("admin process {} hangs; aborting it", slot_.pid());
        ops_.kill(slot_.pid(), SIGABRT);
        break;
    case SlotAction::kill: ops_.kill(slot_.pid(), SIGKILL); break;
    }
    if (now >= kill_at_) {
        kill_at_ = kNever;
        if (slot_.kill_now() == SlotAction::kill) ops_.kill(slot_.pid(), SIGKILL);
    }
}

void AdminProcess::spawn(std::uint64_t now) {
    const auto score = scoreboard_.take();
    Result<ControlPair, Errno> channel = unexpected(Errno{EAGAIN});
    if (score) channel = open_control_pair();
    Result<pid_t, Errno> pid = unexpected(channel ? Errno{} : channel.error());
    if (channel) {
        control_ = std::move(channel->supervisor); // before the fork, so that the child closes it
        pid = ops_.spawn(std::move(channel->worker),
                         [&](UniqueFd control) { return child_(std::move(control), *score); });
    }
    if (!pid) {
        if (score) scoreboard_.retire(*score);
        control_.reset();
        slot_.on_spawn_failed(now);
        log_warn("cannot start the admin process: {}; the next attempt is in {} ms",
                 errno_text(pid.error().code), slot_.next_deadline() - now);
        return;
    }
    score_ = *score;
    slot_.on_spawned(*pid, 0, now);
    log_debug("admin process {} started", *pid);
}

// As hostile as a worker's: it answers strangers too. All that it may say is that it is ready.
void AdminProcess::read_control(std::uint64_t now) {
    for (unsigned i = 0; i < kAdminMessagesPerTurn; ++i) {
        const Received received = receive_control(control_.get());
        switch (received.status) {
        case ReceiveStatus::nothing: return;
        case ReceiveStatus::malformed: break;
        case ReceiveStatus::message:
            if (received.message.kind == ControlKind::ready) slot_.on_ready(now);
            break;
        case ReceiveStatus::closed:
            control_.reset();
            slot_.on_channel_closed(now);
            return;
        }
    }
}

bool AdminProcess::on_ended(const EndedProcess& ended, std::uint64_t now) {
    if (slot_.pid() == 0 || ended.pid != slot_.pid()) return false;
    if (control_) read_control(now);
    control_.reset();
    scoreboard_.retire(std::exchange(score_, kNoScore));
    if (!stopping_)
        log_warn("admin process {} {} after {:.1f} s", ended.pid, ended.status.text(),
                 static_cast<double>(now - slot_.spawned_at()) / 1000);
    slot_.on_ended(ended.status, now);
    if (slot_.state() == SlotState::failed)
        log_error("the admin process cannot start with this configuration, and is not tried again");
    return true;
}

bool AdminProcess::stop(std::uint64_t now) {
    if (!stopping_) {
        stopping_ = true;
        slot_.stop();
        if (slot_.has_process()) {
            ops_.kill(slot_.pid(), SIGTERM);
            kill_at_ = now + kStopMs;
        }
    }
    return slot_.state() == SlotState::gone;
}

std::uint64_t AdminProcess::next_deadline() const {
    return std::min(kill_at_, slot_.next_deadline());
}

ProcessRow AdminProcess::row() const {
    return {.state = shown_state(slot_.state()),
            .admin = true,
            .score = score_,
            .pid = slot_.pid(),
            .spawned_ms = slot_.spawned_at()};
}

} // namespace fsrv
