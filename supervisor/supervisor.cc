#include "supervisor/supervisor.h"

#include "common/check.h"
#include "common/control.h"
#include "common/limits.h"
#include "common/log.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

namespace fsrv {
namespace {

constexpr unsigned kMessagesPerTurn =
    16; // of one worker, so that a talkative one does not hold up the rest
constexpr unsigned kUselessMessages = 64; // then it is no longer listened to
constexpr std::uint64_t kResendMs = 100;  // a channel that was full
constexpr std::uint64_t kLateMs = 1'000;  // a turn that comes so late means that we were stopped
constexpr std::uint64_t kRefuseAfterMs =
    1'000; // from the drain to shut sockets: time to empty the queues

constexpr std::uint64_t kAfterKillMs = 2'000; // for the kernel to end a killed process

} // namespace

Supervisor::Supervisor(Setup setup, ProcessOps& ops)
    : setup_(std::move(setup)), ops_(ops), scoreboard_(setup_.options.workers) {
    const auto hang_timeout_ms = static_cast<std::uint64_t>(setup_.options.hang_timeout.count());
    for (unsigned i = 0; i < setup_.options.workers; ++i)
        workers_.emplace_back(
            std::max(hang_timeout_ms, 2 * limits::kTickMs)); // less would meet the healthy
    server_row_ = {.pid = supervisor_pid_,
                   .started_s = static_cast<std::uint64_t>(wall_now().seconds),
                   .started_ms = ops_.now_ms(),
                   .generation = 1,
                   .workers = workers_.size()};
}

int Supervisor::run() {
    std::vector<pollfd> fds;
    for (;;) {
        if (const auto status = turn()) return *status;
        fds.clear();
        for (const Worker& worker : workers_)
            if (worker.control && worker.useless < kUselessMessages)
                fds.push_back({.fd = worker.control.get(), .events = POLLIN, .revents = 0});
        ops_.wait(fds, next_deadline());
    }
}

std::optional<int> Supervisor::turn() {
    const std::uint64_t now = ops_.now_ms();
    if (expected_at_ != kNever && now > expected_at_ + kLateMs)
        for (Worker& worker : workers_) worker.slot.forgive_silence(now);

    take_signal(now); // before reaping: the signal for a death must not be taken after the look
    reap_workers(now);
    read_control(now);
    hurry_when_alone();
    watch_time(now);
    see_whether_started(now);
    see_that_all_are_served();
    send_what_is_due();
    watch_stopping(now);
    publish_processes();

    if (setup_.on_turn) wanted_at_ = setup_.on_turn(health(), now);
    expected_at_ = next_deadline();
    if (stop_ == Stop::no) return std::nullopt;
    const bool all_gone = count(SlotState::gone) == workers_.size() && leavers_.empty();
    if (!all_gone && now < give_up_at_) return std::nullopt;
    setup_.sockets.stop_listening();
    return exit_status_;
}

std::uint64_t Supervisor::next_deadline() const {
    std::uint64_t earliest =
        std::min({refuse_at_, kill_at_, give_up_at_, wanted_at_, leavers_.next_deadline()});
    for (const Worker& worker : workers_)
        earliest = std::min(earliest, worker.slot.next_deadline());
    if (undelivered_) earliest = std::min(earliest, ops_.now_ms() + kResendMs);
    return earliest;
}

unsigned Supervisor::count(SlotState state) const {
    return static_cast<unsigned>(
        std::count_if(workers_.begin(), workers_.end(),
                      [&](const Worker& worker) { return worker.slot.state() == state; }));
}

void Supervisor::take_signal(std::uint64_t now) {
    const int number = ops_.next_signal();
    switch (reaction_to(number)) {
    case SignalReaction::none:
    case SignalReaction::reap: return; // reaping comes every turn
    case SignalReaction::stop:
        return stop(stop_ < Stop::hurried ? Stop::hurried : Stop::killed, now);
    case SignalReaction::stop_unhurried: return stop(Stop::unhurried, now);
    case SignalReaction::reopen_log: return reopen_log();
    case SignalReaction::unavailable:
        log_info("SIG{} has no effect in this version{}", sigabbrev_np(number),
                 number == SIGHUP ? ": to change the configuration, restart" : "");
        return;
    }
}

void Supervisor::read_control(std::uint64_t now) {
    for (unsigned i = 0; i < workers_.size(); ++i)
        if (workers_[i].control) read_control_of(i, now);
}

// What comes in is hostile: a worker parses what strangers send.
void Supervisor::read_control_of(unsigned index, std::uint64_t now) {
    Worker& worker = workers_[index];
    for (unsigned i = 0;
         i < kMessagesPerTurn && worker.useless < kUselessMessages && worker.control; ++i) {
        const Received received = receive_control(worker.control.get());
        switch (received.status) {
        case ReceiveStatus::nothing: return;
        case ReceiveStatus::message: on_message(index, received.message, now); break;
        case ReceiveStatus::malformed: on_useless_message(index); break;
        case ReceiveStatus::closed:
            worker.control.reset();
            worker.slot.on_channel_closed(now);
            return;
        }
    }
}

void Supervisor::on_message(unsigned index, const ControlMessage& message, std::uint64_t now) {
    WorkerSlot& slot = workers_[index].slot;
    if (message.kind == ControlKind::ready && slot.on_ready(now)) {
        log_debug("slot={} worker {} is ready after {} ms", index, slot.pid(),
                  now - slot.spawned_at());
        return;
    }
    if (message.kind == ControlKind::leaving) return on_leaving(index, now);
    on_useless_message(index);
}

void Supervisor::on_useless_message(unsigned index) {
    Worker& worker = workers_[index];
    ++worker.useless;
    if (worker.useless == 1)
        log_warn("slot={} worker {} sent a message that makes no sense", index, worker.slot.pid());
    if (worker.useless == kUselessMessages)
        log_warn("slot={} worker {} is no longer listened to", index, worker.slot.pid());
}

void Supervisor::see_that_all_are_served() {
    undelivered_ = false;
    // Before the start is announced every slot is still getting its own worker, and nobody was told
    // to come: passing slots around would only delay the start.
    if (!started_ || stop_ != Stop::no) return;
    std::vector<Fitness> fitness;
    for (const Worker& worker : workers_) {
        const SlotState state = worker.slot.state();
        fitness.push_back(state == SlotState::ready    ? Fitness::ready
                          : state == SlotState::silent ? Fitness::doubtful
                                                       : Fitness::none);
    }
    const std::vector<unsigned> servers = who_serves(fitness);
    std::vector<bool> alone(workers_.size(),
                            false); // its new server does not know yet, so the old one goes on
    for (const CoverLedger::Order& order : ledger_.differences(servers)) {
        if (order.kind == ControlKind::unserve && alone[order.slot]) continue;
        const Worker& worker = workers_[order.worker];
        if (worker.control &&
            send_control(worker.control.get(), {.kind = order.kind, .value = order.slot})) {
            ledger_.delivered(order);
            log_debug("slot={} is told to {} slot {}", order.worker,
                      order.kind == ControlKind::serve ? "serve" : "leave", order.slot);
            continue;
        }
        undelivered_ = true;
        if (order.kind == ControlKind::serve) alone[order.slot] = true;
    }
}

void Supervisor::send_what_is_due() {
    for (Worker& worker : workers_) {
        if (!worker.control) continue;
        if (worker.wants_log && send_control(worker.control.get(), {.kind = ControlKind::log_file},
                                             setup_.access_log.fd()))
            worker.wants_log = false;
        if (worker.wants_drain &&
            send_control(worker.control.get(), {.kind = ControlKind::drain, .value = drain_ms_}))
            worker.wants_drain = false;
        undelivered_ = undelivered_ || worker.wants_log || worker.wants_drain;
    }
}

// The start is over when every slot is ready, or has failed so often that the others do not wait
// for it.
void Supervisor::see_whether_started(std::uint64_t now) {
    if (started_ || stop_ != Stop::no) return;
    if (!std::all_of(workers_.begin(), workers_.end(),
                     [](const Worker& w) { return w.slot.had_its_chance(); }))
        return;
    const unsigned ready = count(SlotState::ready);
    if (ready > 0) {
        started_ = true;
        if (!setup_.on_started(ready)) stop_failed(kExitFailure, now);
        return;
    }
    const bool ever = std::any_of(workers_.begin(), workers_.end(),
                                  [](const Worker& w) { return w.slot.was_ever_ready(); });
    if (ever) return; // they were, and will be again
    log_error("no worker could start");
    stop_failed(count(SlotState::failed) > 0 ? kExitUsage : kExitFailure, now);
}

void Supervisor::reopen_log() {
    if (!setup_.access_log.is_file()) {
        log_info("SIGUSR1: the access log is no file, there is nothing to open anew");
        return;
    }
    if (auto ok = setup_.access_log.reopen(); !ok) {
        log_error("{}; the old one is kept", ok.error());
        return;
    }
    log_info("access log \"{}\" opened anew", setup_.access_log.path());
    for (Worker& worker : workers_) worker.wants_log = worker.slot.has_process();
    for (const Leaver& leaver : leavers_.all())
        send_control(leaver.control.get(), {.kind = ControlKind::log_file}, setup_.access_log.fd());
}

void Supervisor::stop(Stop how, std::uint64_t now) {
    if (how <= stop_) return;
    const bool first = stop_ == Stop::no;
    stop_ = how;
    const auto grace_ms = static_cast<std::uint64_t>(setup_.options.grace.count());
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
        refuse_at_ = now + kRefuseAfterMs;
        for (Worker& worker : workers_) worker.slot.stop();
        if (setup_.on_stopping) setup_.on_stopping(kill_at_ == kNever ? kNever : kill_at_ - now);
    }
    if (how != Stop::killed) {
        for (Worker& worker : workers_) worker.wants_drain = worker.slot.has_process();
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
    // Workers that have left took what waited in their queues; there is nobody for the next one.
    const bool all_left = std::none_of(workers_.begin(), workers_.end(), [](const Worker& w) {
        return w.slot.has_process() && !w.has_left;
    });
    if (now >= refuse_at_ || (refuse_at_ != kNever && all_left)) {
        refuse_at_ = kNever;
        setup_.sockets.stop_listening();
    }
    if (now < kill_at_) return;
    kill_at_ = kNever;
    give_up_at_ = now + kAfterKillMs;
    for (Worker& worker : workers_) {
        if (worker.slot.kill_now() != SlotAction::kill) continue;
        if (stop_ != Stop::killed)
            log_warn("worker {} has not ended in time; killing it", worker.slot.pid());
        ops_.kill(worker.slot.pid(), SIGKILL);
    }
}

} // namespace fsrv
