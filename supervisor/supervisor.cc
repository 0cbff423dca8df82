#include "supervisor/supervisor.h"

#include "common/check.h"
#include "common/control.h"
#include "common/limits.h"
#include "common/log.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace fsrv {
namespace {

constexpr unsigned kMessagesPerTurn =
    16; // of one worker, so that a talkative one does not hold up the rest
constexpr unsigned kUselessMessages = 64;         // then it is no longer listened to
constexpr std::uint64_t kLookAtSocketsMs = 5'000; // or when a worker has ended
constexpr std::uint64_t kResendMs = 100;          // a channel that was full
constexpr std::uint64_t kLateMs = 1'000; // a turn that comes so late means that we were stopped
} // namespace

Supervisor::Supervisor(Setup setup, ProcessOps& ops)
    : setup_(std::move(setup)), ops_(ops), scoreboard_(setup_.slots), petitions_(setup_.control) {
    const WorkerRange& range = setup_.config.options.workers;
    target_ = std::min(range.least, setup_.slots);
    current_ = std::make_unique<Generation>(1, std::move(setup_.config), setup_.slots, target_);
    if (setup_.admin != nullptr)
        admin_.emplace(scoreboard_, ops_, current_->hang_timeout_ms(),
                       [this](UniqueFd control, unsigned score) {
                           return run_admin(std::move(control), score);
                       });
    server_row_ = {.pid = supervisor_pid_,
                   .started_s = static_cast<std::uint64_t>(wall_now().seconds),
                   .started_ms = ops_.now_ms()};
}

int Supervisor::run() {
    std::vector<pollfd> fds;
    for (;;) {
        if (const auto status = turn()) return *status;
        fds.clear();
        for (const Generation* generation : {current_.get(), next_.get()}) {
            if (generation == nullptr) continue;
            for (const Worker& worker : generation->workers)
                if (worker.control && worker.useless < kUselessMessages)
                    fds.push_back({.fd = worker.control.get(), .events = POLLIN, .revents = 0});
        }
        petitions_.append_fds(fds);
        if (successor_) fds.push_back({.fd = successor_->fd(), .events = POLLIN, .revents = 0});
        if (setup_.predecessor)
            fds.push_back({.fd = setup_.predecessor->fd(), .events = POLLIN, .revents = 0});
        for (const Errand* errand : errands())
            fds.push_back({.fd = errand->fd(), .events = POLLIN, .revents = 0});
        if (admin_ && admin_->control_fd() >= 0)
            fds.push_back({.fd = admin_->control_fd(), .events = POLLIN, .revents = 0});
        ops_.wait(fds, next_deadline());
    }
}

std::optional<int> Supervisor::turn() {
    const std::uint64_t now = ops_.now_ms();
    const bool late = expected_at_ != kNever && now > expected_at_ + kLateMs;
    watch_successor(now); // before a signal that would end it: it may serve already
    take_requests(now);
    take_signal(now); // before reaping: the signal for a death must not be taken after the look
    reap_workers(now);
    for (Generation* generation : {current_.get(), next_.get()}) {
        if (generation == nullptr) continue;
        if (late)
            for (Worker& worker : generation->workers) worker.slot.forgive_silence(now);
        read_control(*generation, now);
        if (generation == current_.get()) hurry_when_alone();
        watch_time(*generation, now);
    }
    watch_leavers(now);
    see_that_sockets_listen(now);
    if (admin_ && late) admin_->forgive_silence(now);
    if (admin_ && !setup_.predecessor) admin_->turn(now); // whose the address is until then
    see_whether_started(now);
    see_whether_loaded(now);
    see_whether_log_is_open(now);
    see_whether_next_is_ready(now);
    follow_the_load(now);
    see_to_the_number(now);
    see_that_all_are_served();
    send_what_is_due();
    watch_stopping(now);
    publish_processes();

    if (setup_.on_turn && !handed_over_) wanted_at_ = setup_.on_turn(health(), now);
    expected_at_ = next_deadline();
    if (stop_ == Stop::no) return std::nullopt;
    const bool all_gone = current_->wanted() == 0 && leavers_.empty();
    if (!all_gone && now < give_up_at_) return std::nullopt;
    if (admin_ && !admin_->stop(now)) return std::nullopt; // the last: it says how the rest is
    setup_.sockets.stop_listening();
    petitions_.answer(CtlKind::stop, exit_status_ == kExitOk, "stopped");
    return exit_status_;
}

std::uint64_t Supervisor::next_deadline() const {
    std::uint64_t earliest =
        std::min({stop_at_, refuse_at_, kill_at_, give_up_at_, wanted_at_, successor_due_,
                  leavers_.next_deadline(), current_->next_deadline()});
    if (next_) earliest = std::min(earliest, next_->next_deadline());
    if (admin_) earliest = std::min(earliest, admin_->next_deadline());
    for (const Errand* errand : errands()) earliest = std::min(earliest, errand->due());
    if (follows_the_load()) earliest = std::min(earliest, scaling_.next_look());
    if (undelivered_) earliest = std::min(earliest, ops_.now_ms() + kResendMs);
    return earliest;
}

// A worker that is taken over, and not locked in, can spoil what it shares with all others.
void Supervisor::see_that_sockets_listen(std::uint64_t now) {
    if (now < sockets_due_) return;
    sockets_due_ = now + kLookAtSocketsMs;
    if (const unsigned mended = setup_.sockets.mend(); mended > 0)
        log_warn("{} listening sockets had been shut or changed, by a worker or who else has them; "
                 "they are as they were",
                 mended);
}

void Supervisor::take_signal(std::uint64_t now) {
    const int number = ops_.next_signal();
    switch (reaction_to(number)) {
    case SignalReaction::none:
    case SignalReaction::reap: return; // reaping comes every turn
    case SignalReaction::stop:
        return ask_to_stop(stop_ < Stop::hurried ? Stop::hurried : Stop::killed, now);
    case SignalReaction::hang_up:
        if (is_stopping()) return; // shell and kernel may both tell of it
        log_info("the terminal has hung up");
        return ask_to_stop(Stop::hurried, now);
    case SignalReaction::stop_unhurried: return ask_to_stop(Stop::unhurried, now);
    case SignalReaction::reopen_log: return reopen_log();
    case SignalReaction::reload: return reload(now);
    case SignalReaction::more: return one_worker_more_or_less(+1);
    case SignalReaction::less: return one_worker_more_or_less(-1);
    case SignalReaction::upgrade: return upgrade(now);
    }
}

void Supervisor::read_control(Generation& generation, std::uint64_t now) {
    for (unsigned i = 0; i < generation.workers.size(); ++i)
        if (generation.workers[i].control) read_control_of(generation, i, now);
}

// What comes in is hostile: a worker parses what strangers send.
void Supervisor::read_control_of(Generation& generation, unsigned index, std::uint64_t now) {
    Worker& worker = generation.workers[index];
    for (unsigned i = 0;
         i < kMessagesPerTurn && worker.useless < kUselessMessages && worker.control; ++i) {
        const Received received = receive_control(worker.control.get());
        switch (received.status) {
        case ReceiveStatus::nothing: return;
        case ReceiveStatus::message: on_message(generation, index, received.message, now); break;
        case ReceiveStatus::malformed: on_useless_message(worker, index); break;
        case ReceiveStatus::closed:
            worker.control.reset();
            worker.slot.on_channel_closed(now);
            return;
        }
    }
}

void Supervisor::on_message(Generation& generation, unsigned index, const ControlMessage& message,
                            std::uint64_t now) {
    Worker& worker = generation.workers[index];
    if (message.kind == ControlKind::ready && worker.slot.on_ready(now)) {
        log_debug("slot={} worker {} is ready after {} ms", index, worker.slot.pid(),
                  now - worker.slot.spawned_at());
        return;
    }
    if (message.kind == ControlKind::leaving) return on_leaving(generation, index, now);
    on_useless_message(worker, index);
}

void Supervisor::on_useless_message(Worker& worker, unsigned index) {
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
    std::vector<Worker>& workers = current_->workers;
    std::vector<Fitness> fitness;
    for (const Worker& worker : workers) {
        const SlotState state = worker.slot.state();
        fitness.push_back(state == SlotState::ready    ? Fitness::ready
                          : state == SlotState::silent ? Fitness::doubtful
                                                       : Fitness::none);
    }
    const std::vector<unsigned> servers = who_serves(fitness);
    std::vector<bool> alone(workers.size(),
                            false); // its new server does not know yet, so the old one goes on
    for (const CoverLedger::Order& order : current_->ledger.differences(servers)) {
        if (order.kind == ControlKind::unserve && alone[order.slot]) continue;
        const Worker& worker = workers[order.worker];
        if (worker.control &&
            send_control(worker.control.get(), {.kind = order.kind, .value = order.slot})) {
            current_->ledger.delivered(order);
            log_debug("slot={} is told to {} slot {}", order.worker,
                      order.kind == ControlKind::serve ? "serve" : "leave", order.slot);
            continue;
        }
        undelivered_ = true;
        if (order.kind == ControlKind::serve) alone[order.slot] = true;
    }
}

void Supervisor::send_what_is_due() {
    for (Generation* generation : {current_.get(), next_.get()}) {
        if (generation == nullptr) continue;
        for (Worker& worker : generation->workers) {
            if (!worker.control) continue;
            if (worker.wants_log &&
                send_control(worker.control.get(), {.kind = ControlKind::log_file},
                             generation->config.access_log.fd()))
                worker.wants_log = false;
            if (worker.wants_drain &&
                send_control(worker.control.get(),
                             {.kind = ControlKind::drain, .value = drain_ms_}))
                worker.wants_drain = false;
            if (worker.wants_announcement &&
                send_control(worker.control.get(), {.kind = ControlKind::announce}))
                worker.wants_announcement = false;
            undelivered_ =
                undelivered_ || worker.wants_log || worker.wants_drain || worker.wants_announcement;
        }
    }
    for (Leaver& leaver : leavers_.all()) {
        if (!leaver.control) continue;
        if (leaver.retire_ms != Leaver::kNothing &&
            send_control(leaver.control.get(),
                         {.kind = ControlKind::retire, .value = leaver.retire_ms}))
            leaver.retire_ms = Leaver::kNothing;
        if (leaver.log &&
            send_control(leaver.control.get(), {.kind = ControlKind::log_file}, leaver.log.get()))
            leaver.log.reset();
        undelivered_ = undelivered_ || leaver.retire_ms != Leaver::kNothing || leaver.log;
    }
}

// The start is over when every slot is ready, or has failed so often that the others do not wait
// for it.
void Supervisor::see_whether_started(std::uint64_t now) {
    if (started_ || stop_ != Stop::no) return;
    const auto has_its_chance_before_it = [](const Worker& w) {
        return w.is_wanted() && !w.slot.had_its_chance();
    };
    if (std::any_of(current_->workers.begin(), current_->workers.end(), has_its_chance_before_it))
        return;
    const unsigned ready = current_->count(SlotState::ready);
    if (ready > 0) {
        const bool replaces = setup_.predecessor.has_value();
        if (!takes_over(now)) return;
        started_ = true;
        publish_processes(); // who hears that we are ready may ask at once
        if (!setup_.on_started(ready, current_->wanted())) return stop_failed(kExitFailure, now);
        // Up to here a rotation told the predecessor alone.
        if (replaces && current_->config.access_log.is_file()) reopen_log();
        if (reload_again_) reload(now);
        return;
    }
    const bool ever = std::any_of(current_->workers.begin(), current_->workers.end(),
                                  [](const Worker& w) { return w.slot.was_ever_ready(); });
    if (ever) return; // they were, and will be again
    log_error("no worker could start");
    if (setup_.predecessor)
        setup_.predecessor->tell_failed("no worker could start; the log says why");
    stop_failed(current_->count(SlotState::failed) > 0 ? kExitUsage : kExitFailure, now);
}

void Supervisor::reopen_log() {
    if (!logs_on_their_way_.empty()) {
        reopen_again_ = true; // they may have been opened before the file was moved away
        return;
    }
    for (const Generation* generation : {current_.get(), next_.get()}) {
        if (generation == nullptr) continue;
        const AccessLogFile& log = generation->config.access_log;
        if (!log.is_file()) {
            log_info("SIGUSR1: the access log is no file, there is nothing to open anew");
            continue;
        }
        const auto is_that = [&](const LogOnItsWay& l) { return l.path == log.path(); };
        if (std::any_of(logs_on_their_way_.begin(), logs_on_their_way_.end(), is_that)) continue;
        if (stuck_errands_.size() >= kStuckErrands) {
            log_error("the access log is not opened anew: {} processes that looked before still "
                      "hang; the old one is kept",
                      stuck_errands_.size());
            continue;
        }
        logs_on_their_way_.push_back({log.path(), setup_.open_log(log.path())});
    }
    see_whether_log_is_open(ops_.now_ms());
}

void Supervisor::see_whether_log_is_open(std::uint64_t now) {
    if (logs_on_their_way_.empty()) return;
    for (auto log = logs_on_their_way_.begin(); log != logs_on_their_way_.end();) {
        auto fd = log->fd.look(now);
        if (!fd) {
            ++log;
            continue;
        }
        give_up(log->fd.errand());
        if (*fd)
            take_log(log->path, std::move(**fd));
        else
            log_error("{}; the old one is kept", fd->error());
        log = logs_on_their_way_.erase(log);
    }
    if (logs_on_their_way_.empty() && std::exchange(reopen_again_, false)) reopen_log();
}

void Supervisor::take_log(const std::string& path, UniqueFd fd) {
    log_info("access log \"{}\" opened anew", path);
    for (Leaver& leaver : leavers_.all())
        if (leaver.control && leaver.log_path == path)
            leaver.log.reset(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    for (Generation* generation : {current_.get(), next_.get()}) {
        if (generation == nullptr || generation->config.access_log.path() != path) continue;
        UniqueFd theirs(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
        if (!theirs) {
            log_error("access log \"{}\": {}; the old one is kept", path, errno_text(errno));
            continue;
        }
        generation->config.access_log.replace(std::move(theirs));
        for (Worker& worker : generation->workers) worker.wants_log = worker.slot.has_process();
    }
    send_what_is_due();
}

} // namespace fsrv
