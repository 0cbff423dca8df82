// An upgrade in place, on both sides: the server that hands over, and the one that takes over.
#include "supervisor/supervisor.h"

#include "common/limits.h"
#include "common/log.h"

#include <csignal>
#include <fmt/format.h>
#include <utility>

namespace fsrv {

void Supervisor::upgrade(std::uint64_t now) {
    const char* why = phase_.is_stopping() ? "the server stops"
                      : !phase_.started || reload_.is_under_way()
                          ? "a start or a reload is under way"
                      : successor_              ? "an upgrade is under way already"
                      : supervisor_pid_ == 1    ? "process 1 cannot be replaced by another one"
                      : !setup_.start_successor ? "this server cannot be replaced"
                                                : nullptr;
    if (why != nullptr) return refuse_upgrade(why);
    auto successor = setup_.start_successor();
    if (!successor) return refuse_upgrade(successor.error());
    log_info("upgrade: process {} is to take over", successor->pid());
    successor_ = std::make_unique<Successor>(std::move(*successor));
    successor_due_ = now + limits::kUpgradeMs;
    petitions_.begin(CtlKind::upgrade);
}

void Supervisor::refuse_upgrade(const std::string& why) {
    log_error("not upgraded: {}", why);
    petitions_.refuse_next(CtlKind::upgrade, "not upgraded: " + why);
}

void Supervisor::watch_successor(std::uint64_t now) {
    if (!successor_) return;
    switch (successor_->hear()) {
    case Successor::Word::none:
        if (now < successor_due_) return;
        return drop_successor("the new server does not get ready in time");
    case Successor::Word::ready:
        if (setup_.on_handing_over) setup_.on_handing_over(successor_->pid());
        if (successor_->tell_yours()) return hand_over(now);
        if (setup_.on_handing_over) setup_.on_handing_over(supervisor_pid_);
        return drop_successor("the new server does not listen");
    case Successor::Word::failed: return drop_successor("the new server: " + successor_->why());
    case Successor::Word::gone: successor_due_ = now + kOvertimeMs; return;
    }
}

// Its workers, if it has any, find out and finish what they have.
void Supervisor::drop_successor(const std::string& why) {
    if (!successor_has_ended_) ops_.kill(successor_->pid(), SIGKILL);
    successor_.reset();
    successor_has_ended_ = false;
    successor_due_ = kNever;
    const std::string verdict = "not upgraded: " + why;
    log_line(phase_.is_stopping() ? LogLevel::info : LogLevel::error, verdict);
    petitions_.answer(CtlKind::upgrade, false, verdict);
}

// True: it was the successor.
bool Supervisor::is_successors_end(pid_t pid, ExitStatus status) {
    if (!successor_ || successor_->pid() != pid) return false;
    successor_has_ended_ = true;
    drop_successor(successor_->hear() == Successor::Word::failed
                       ? "the new server: " + successor_->why()
                       : fmt::format("the new server {}", status.text()));
    return true;
}

// All that is left here is to finish what the workers have begun.
void Supervisor::hand_over(std::uint64_t now) {
    log_info("upgraded: process {} serves; this one finishes what it has begun", successor_->pid());
    setup_.sockets.set_shared(true);
    setup_.sockets.stop_listening(); // closes our copies
    petitions_.answer(CtlKind::upgrade, true,
                      fmt::format("upgraded: process {} serves", successor_->pid()));
    petitions_.answer(CtlKind::workers, false, "the server was upgraded");
    petitions_.forget();
    if (admin_) admin_->stop(now);
    if (setup_.admin != nullptr) setup_.admin->forget();
    successor_.reset();
    successor_due_ = wanted_at_ = kNever;
    phase_.handed_over = true;
    phase_.stop = Stop::unhurried;
    crew_.retire_all(crew_.current(), now);
    crew_.send_what_is_due();
}

// Ready, but the sockets are still another server's. True: not any more.
bool Supervisor::takes_over(std::uint64_t now) {
    if (!setup_.predecessor) return true;
    const bool told = std::exchange(told_predecessor_, true);
    if (!told && setup_.before_taking_over) {
        if (auto ok = setup_.before_taking_over(); !ok) {
            log_error("{}", ok.error());
            stop_failed(kExitFailure, now); // first: who hears of it ends us
            setup_.predecessor->tell_failed(ok.error());
            return false;
        }
    }
    const auto word = told || setup_.predecessor->tell_ready() ? setup_.predecessor->hear()
                                                               : Predecessor::Word::gone;
    if (word == Predecessor::Word::none) return false;
    setup_.predecessor.reset();
    if (word == Predecessor::Word::gone) {
        log_error("the server to be replaced is gone");
        stop_failed(kExitFailure, now);
        return false;
    }
    setup_.sockets.set_shared(false);
    petitions_.own();
    if (setup_.admin != nullptr) setup_.admin->own();
    return true;
}

} // namespace fsrv
