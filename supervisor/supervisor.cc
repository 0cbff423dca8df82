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

constexpr std::uint64_t kLateMs = 1'000; // a turn that comes so late means that we were stopped
} // namespace

Supervisor::Supervisor(Setup setup, ProcessOps& ops)
    : setup_(std::move(setup)),
      ops_(ops),
      scoreboard_(setup_.slots),
      crew_({.sockets = setup_.sockets,
             .slots = setup_.slots,
             .workers = std::min(setup_.config.options.workers.least, setup_.slots),
             .config = std::move(setup_.config),
             .admin = setup_.admin,
             .worker_main = setup_.worker_main,
             .in_child = [this] { close_in_child(); }},
            phase_, scoreboard_, ops_),
      log_(crew_, stuck_, setup_.open_log),
      petitions_(setup_.control),
      count_(phase_, crew_, petitions_, scoreboard_, ops_),
      reload_({.load = setup_.load,
               .on_reloading = setup_.on_reloading,
               .on_reloaded = setup_.on_reloaded},
              phase_, crew_, count_, petitions_, scoreboard_, stuck_),
      admin_(make_admin()),
      upgrade_({.start_successor = setup_.start_successor,
                .on_handing_over = setup_.on_handing_over,
                .sockets = setup_.sockets,
                .admin_listener = setup_.admin,
                .admin_process = admin_ ? &*admin_ : nullptr},
               phase_, crew_, petitions_, ops_),
      take_over_({.predecessor = std::move(setup_.predecessor),
                  .before_taking_over = setup_.before_taking_over,
                  .sockets = setup_.sockets,
                  .admin_listener = setup_.admin},
                 petitions_) {
    server_row_ = {.pid = supervisor_pid_,
                   .started_s = static_cast<std::uint64_t>(wall_now().seconds),
                   .started_ms = ops_.now_ms()};
}

std::optional<AdminProcess> Supervisor::make_admin() {
    if (setup_.admin == nullptr) return std::nullopt;
    return std::optional<AdminProcess>(std::in_place, scoreboard_, ops_,
                                       crew_.current().hang_timeout_ms(),
                                       [this](UniqueFd control, unsigned score) {
                                           return crew_.run_admin(std::move(control), score);
                                       });
}

int Supervisor::run() {
    std::vector<pollfd> fds;
    for (;;) {
        if (const auto status = turn()) return *status;
        fds.clear();
        crew_.append_fds(fds);
        petitions_.append_fds(fds);
        upgrade_.append_fds(fds);
        take_over_.append_fds(fds);
        log_.append_fds(fds);
        reload_.append_fds(fds);
        if (admin_ && admin_->control_fd() >= 0)
            fds.push_back({.fd = admin_->control_fd(), .events = POLLIN, .revents = 0});
        ops_.wait(fds, next_deadline());
    }
}

std::optional<int> Supervisor::turn() {
    const std::uint64_t now = ops_.now_ms();
    const bool late = expected_at_ != kNever && now > expected_at_ + kLateMs;
    upgrade_.watch_successor(now); // before a signal that would end it: it may serve already
    take_requests(now);
    take_signal(now); // before reaping: the signal for a death must not be taken after the look
    reap(now);
    crew_.watch(late, now);
    crew_.see_that_sockets_listen(now);
    if (admin_ && late) admin_->forgive_silence(now);
    if (admin_ && !take_over_.has_predecessor())
        admin_->turn(now); // whose the address is until then
    see_whether_started(now);
    reload_.see_whether_loaded(now);
    log_.see_what_is_open(now);
    reload_.see_whether_next_is_ready(now);
    count_.follow_the_load(now);
    count_.see_to_the_number(now);
    crew_.see_that_all_are_served();
    crew_.send_what_is_due();
    watch_stopping(now);
    publish_processes();

    wanted_at_ = setup_.on_turn && !phase_.handed_over ? setup_.on_turn(health(), now) : kNever;
    expected_at_ = next_deadline();
    if (phase_.stop == Stop::no) return std::nullopt;
    if (!crew_.is_empty() && now < give_up_at_) return std::nullopt;
    if (admin_ && !admin_->stop(now)) return std::nullopt; // the last: it says how the rest is
    setup_.sockets.stop_listening();
    petitions_.answer(CtlKind::stop, exit_status_ == kExitOk, "stopped");
    return exit_status_;
}

std::uint64_t Supervisor::next_deadline() const {
    std::uint64_t earliest =
        std::min({stop_at_, refuse_at_, kill_at_, give_up_at_, wanted_at_, upgrade_.next_deadline(),
                  crew_.next_deadline(), log_.next_deadline(), reload_.next_deadline(),
                  count_.next_deadline()});
    if (admin_) earliest = std::min(earliest, admin_->next_deadline());
    return earliest;
}

void Supervisor::take_signal(std::uint64_t now) {
    const int number = ops_.next_signal();
    switch (reaction_to(number)) {
    case SignalReaction::none:
    case SignalReaction::reap: return; // reaping comes every turn
    case SignalReaction::stop:
        return ask_to_stop(phase_.stop < Stop::hurried ? Stop::hurried : Stop::killed, now);
    case SignalReaction::hang_up:
        if (phase_.is_stopping()) return; // shell and kernel may both tell of it
        log_info("the terminal has hung up");
        return ask_to_stop(Stop::hurried, now);
    case SignalReaction::stop_unhurried: return ask_to_stop(Stop::unhurried, now);
    case SignalReaction::reopen_log: return log_.ask(now);
    case SignalReaction::reload: return reload_.ask(upgrade_.is_under_way(), now);
    case SignalReaction::more: return count_.one_more_or_less(+1);
    case SignalReaction::less: return count_.one_more_or_less(-1);
    case SignalReaction::upgrade: return upgrade_.ask(reload_.is_under_way(), now);
    }
}

// In a child: what is neither the crew's nor that child's.
void Supervisor::close_in_child() {
    log_.close_in_child();
    reload_.close_in_child();
    upgrade_.close_in_child();
    take_over_.close_in_child();
    petitions_.forget();
    if (setup_.in_child) setup_.in_child();
    if (admin_) admin_->close_in_child();
}

void Supervisor::reap(std::uint64_t now) {
    while (const auto ended = ops_.reap()) {
        if (crew_.on_ended(*ended, now) || (admin_ && admin_->on_ended(*ended, now))) continue;
        if (reload_.on_ended(ended->pid) || log_.on_ended(ended->pid)) continue;
        if (!stuck_.on_ended(ended->pid) && !upgrade_.on_ended(ended->pid, ended->status))
            log_debug("process {} {}; it was none of ours", ended->pid, ended->status.text());
    }
}

// The start is over when every slot is ready, or has failed so often that the others do not wait
// for it.
void Supervisor::see_whether_started(std::uint64_t now) {
    if (phase_.started || phase_.stop != Stop::no) return;
    const auto has_its_chance_before_it = [](const Worker& w) {
        return w.is_wanted() && !w.slot.had_its_chance();
    };
    if (std::any_of(crew_.current().workers.begin(), crew_.current().workers.end(),
                    has_its_chance_before_it))
        return;
    const unsigned ready = crew_.current().count(SlotState::ready);
    if (ready > 0) {
        const bool replaces = take_over_.has_predecessor();
        const TakeOver::Outcome outcome = take_over_.tell_ready();
        if (outcome == TakeOver::Outcome::waits) return;
        if (outcome == TakeOver::Outcome::failed) {
            stop_failed(kExitFailure, now); // first: who hears of it ends us
            return take_over_.tell_failed();
        }
        phase_.started = true;
        publish_processes(); // who hears that we are ready may ask at once
        if (!setup_.on_started(ready, crew_.current().wanted()))
            return stop_failed(kExitFailure, now);
        // Up to here a rotation told the predecessor alone.
        if (replaces && crew_.current().config.access_log.is_file()) log_.ask(now);
        reload_.on_started(now);
        return;
    }
    const bool ever = std::any_of(crew_.current().workers.begin(), crew_.current().workers.end(),
                                  [](const Worker& w) { return w.slot.was_ever_ready(); });
    if (ever) return; // they were, and will be again
    log_error("no worker could start");
    take_over_.tell_failed("no worker could start; the log says why");
    stop_failed(crew_.current().count(SlotState::failed) > 0 ? kExitUsage : kExitFailure, now);
}

} // namespace fsrv
