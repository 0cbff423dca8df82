#include "supervisor/supervisor.h"

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/ctl/status_text.h"

#include <algorithm>
#include <unistd.h>
#include <utility>

namespace fsrv {
namespace {

constexpr std::uint64_t kLateMs = 1'000; // a turn that comes so late means that we were stopped

} // namespace

int Supervisor::run() {
    std::vector<pollfd> fds;
    for (;;) {
        if (const auto status = turn()) return *status;
        fds.clear();
        append_fds(fds);
        ops_.wait(fds, next_deadline());
    }
}

std::optional<int> Supervisor::turn() {
    const std::uint64_t now = ops_.now_ms();
    const bool late = expected_at_ != kNever && now > expected_at_ + kLateMs;

    upgrade_.watch_successor(now); // before a signal that would end it: it may serve already
    take_petitions(now);
    take_signal(now); // before reaping: the signal for a death must not be taken after the look
    reap(now);
    crew_.watch(late, now);
    crew_.see_that_sockets_listen(now);
    watch_admin(late, now);

    see_whether_started(now);
    reload_.see_whether_loaded(now);
    log_.see_what_is_open(now);
    reload_.see_whether_next_is_ready(now);
    renewal_.turn(upgrade_.is_under_way(), now);
    count_.follow_the_load(now);
    count_.see_to_the_number(now);

    crew_.see_that_all_are_served();
    crew_.send_what_is_due();
    stopping_.watch(now);
    publish_processes();
    wanted_at_ = setup_.on_turn && !phase_.handed_over
                     ? setup_.on_turn(health_of(phase_, crew_, count_.wanted()), now)
                     : kNever;
    expected_at_ = next_deadline();

    if (!stopping_.is_over(now)) return std::nullopt;
    if (admin_ && !admin_->stop(now)) return std::nullopt; // the last: it says how the rest is
    return stopping_.end();
}

std::uint64_t Supervisor::next_deadline() const {
    return std::min({crew_.next_deadline(), count_.next_deadline(), log_.next_deadline(),
                     reload_.next_deadline(), renewal_.next_deadline(),
                     admin_ ? admin_->next_deadline() : kNever, upgrade_.next_deadline(),
                     stopping_.next_deadline(), wanted_at_});
}

void Supervisor::append_fds(std::vector<pollfd>& fds) const {
    crew_.append_fds(fds);
    petitions_.append_fds(fds);
    upgrade_.append_fds(fds);
    take_over_.append_fds(fds);
    log_.append_fds(fds);
    reload_.append_fds(fds);
    renewal_.append_fds(fds);
    if (admin_ && admin_->control_fd() >= 0)
        fds.push_back({.fd = admin_->control_fd(), .events = POLLIN, .revents = 0});
}

void Supervisor::take_signal(std::uint64_t now) {
    switch (reaction_to(ops_.next_signal())) {
    case SignalReaction::none:
    case SignalReaction::reap: return; // reaping comes every turn
    case SignalReaction::stop:
        return stopping_.ask(phase_.stop < Stop::hurried ? Stop::hurried : Stop::killed, now);
    case SignalReaction::hang_up:
        if (phase_.is_stopping()) return; // shell and kernel may both tell of it
        log_info("the terminal has hung up");
        return stopping_.ask(Stop::hurried, now);
    case SignalReaction::stop_unhurried: return stopping_.ask(Stop::unhurried, now);
    case SignalReaction::reopen_log: return log_.ask(now);
    case SignalReaction::reload: return reload_.ask(upgrade_.is_under_way(), now);
    case SignalReaction::more: return count_.one_more_or_less(+1);
    case SignalReaction::less: return count_.one_more_or_less(-1);
    case SignalReaction::upgrade: return upgrade_.ask(reload_.is_under_way(), now);
    }
}

void Supervisor::take_petitions(std::uint64_t now) {
    for (const Petitions::Petition& petition : petitions_.take()) obey(petition, now);
}

void Supervisor::obey(const Petitions::Petition& petition, std::uint64_t now) {
    switch (petition.command.kind) {
    case CtlKind::status: return petitions_.answer(petition, true, status(now));
    case CtlKind::top: return show_figures(petition);
    case CtlKind::reload:
        petitions_.wait_for_next(petition);
        return reload_.ask(upgrade_.is_under_way(), now);
    case CtlKind::upgrade:
        petitions_.wait_for_next(petition);
        return upgrade_.ask(reload_.is_under_way(), now);
    case CtlKind::stop: petitions_.wait(petition); return stopping_.ask(Stop::hurried, now);
    case CtlKind::workers:
        if (phase_.stop != Stop::no) return petitions_.answer(petition, false, "the server stops");
        if (const std::string why = count_.want(petition.command.number); !why.empty())
            return petitions_.answer(petition, false, why);
        return petitions_.wait(petition);
    }
}

std::string Supervisor::status(std::uint64_t now) {
    publish_processes();
    const auto reading = scoreboard_.read();
    if (!reading) return {};
    return status_text(*reading, now,
                       phase_.stop != Stop::no   ? "stopping"
                       : reload_.is_under_way()  ? "reloading"
                       : upgrade_.is_under_way() ? "upgrading"
                                                 : "");
}

// Who asks reads them for himself, for as long as he likes.
void Supervisor::show_figures(const Petitions::Petition& petition) {
    if (scoreboard_.fd() < 0)
        return petitions_.answer(petition, false,
                                 "the figures cannot be shared: it takes Linux 5.1");
    publish_processes();
    petitions_.answer(petition, true, FSRV_VERSION, scoreboard_.fd());
}

void Supervisor::publish_processes() {
    table_.publish(phase_, crew_, count_.wanted(),
                   admin_ ? std::optional(admin_->row()) : std::nullopt);
}

void Supervisor::reap(std::uint64_t now) {
    while (const auto ended = ops_.reap()) {
        const bool is_ours = crew_.on_ended(*ended, now) ||
                             (admin_ && admin_->on_ended(*ended, now)) ||
                             reload_.on_ended(ended->pid) || renewal_.on_ended(ended->pid) ||
                             log_.on_ended(ended->pid) || stuck_.on_ended(ended->pid) ||
                             upgrade_.on_ended(ended->pid, ended->status);
        if (!is_ours)
            log_debug("process {} {}; it was none of ours", ended->pid, ended->status.text());
    }
}

void Supervisor::watch_admin(bool late, std::uint64_t now) {
    if (admin_ && late) admin_->forgive_silence(now);
    if (admin_ && !take_over_.has_predecessor())
        admin_->turn(now); // whose the address is till then
}

// The start is over when every slot is ready, or has failed so often that the others do not wait
// for it.
void Supervisor::see_whether_started(std::uint64_t now) {
    if (phase_.started || phase_.stop != Stop::no) return;
    const Generation& first = crew_.current();
    if (!first.all_had_their_chance()) return;
    if (const unsigned ready = first.count(SlotState::ready); ready > 0) return start(ready, now);
    if (first.was_ever_ready()) return; // they were, and will be again
    log_error("no worker could start");
    take_over_.tell_failed("no worker could start; the log says why");
    stopping_.fail(first.count(SlotState::failed) > 0 ? kExitUsage : kExitFailure, now);
}

void Supervisor::start(unsigned ready, std::uint64_t now) {
    const bool replaces = take_over_.has_predecessor();
    switch (take_over_.tell_ready()) {
    case TakeOver::Outcome::waits: return;
    case TakeOver::Outcome::failed:
        stopping_.fail(kExitFailure, now); // first: who hears of it ends us
        return take_over_.tell_failed();
    case TakeOver::Outcome::ours: break;
    }
    phase_.started = true;
    publish_processes(); // who hears that we are ready may ask at once
    if (!setup_.on_started(ready, current().wanted())) return stopping_.fail(kExitFailure, now);
    // Up to here a rotation told the predecessor alone.
    if (replaces && current().config.access_log.is_file()) log_.ask(now);
    reload_.on_started(now);
}

// The parts, each built upon those before it. Here, so that the file begins with the loop.
Supervisor::Supervisor(Setup setup, ProcessOps& ops)
    : setup_(std::move(setup)),
      ops_(ops),
      scoreboard_(setup_.slots),
      table_({.pid = getpid(),
              .started_s = static_cast<std::uint64_t>(wall_now().seconds),
              .started_ms = ops_.now_ms()},
             scoreboard_),
      petitions_(setup_.control),
      crew_({.sockets = setup_.sockets,
             .slots = setup_.slots,
             .workers = std::min(setup_.config.options.workers.least, setup_.slots),
             .config = std::move(setup_.config),
             .admin = setup_.admin,
             .worker_main = setup_.worker_main,
             .tickets = setup_.tickets,
             .clients = setup_.clients,
             .in_child = [this] { close_in_child(); }},
            phase_, scoreboard_, ops_),
      count_(phase_, crew_, petitions_, scoreboard_, ops_),
      log_(crew_, stuck_, setup_.open_log),
      reload_({.load = setup_.load,
               .on_reloading = setup_.on_reloading,
               .on_reloaded = setup_.on_reloaded},
              phase_, crew_, count_, petitions_, scoreboard_, stuck_),
      renewal_(setup_.look_at_tls, setup_.tickets, phase_, crew_, reload_, scoreboard_, stuck_),
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
                 petitions_),
      stopping_(setup_.on_stopping, setup_.sockets, phase_, crew_, reload_, upgrade_, petitions_,
                ops_) {}

std::optional<AdminProcess> Supervisor::make_admin() {
    if (setup_.admin == nullptr) return std::nullopt;
    return std::optional<AdminProcess>(std::in_place, scoreboard_, ops_,
                                       current().hang_timeout_ms(),
                                       [this](UniqueFd control, unsigned score) {
                                           return crew_.run_admin(std::move(control), score);
                                       });
}

// What is neither the crew's nor that child's.
void Supervisor::close_in_child() {
    log_.close_in_child();
    reload_.close_in_child();
    renewal_.close_in_child();
    upgrade_.close_in_child();
    take_over_.close_in_child();
    petitions_.forget();
    if (setup_.in_child) setup_.in_child();
    if (admin_) admin_->close_in_child();
}

} // namespace fsrv
