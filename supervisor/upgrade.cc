#include "supervisor/upgrade.h"

#include "common/limits.h"
#include "common/log.h"

#include <csignal>
#include <fmt/format.h>

namespace fsrv {

void Upgrade::ask(bool is_reloading, std::uint64_t now) {
    if (const char* why = why_not(is_reloading); why != nullptr) return refuse(why);
    auto successor = setup_.start_successor();
    if (!successor) return refuse(successor.error());
    log_info("upgrade: process {} is to take over", successor->pid());
    successor_ = std::move(*successor);
    due_ = now + limits::kUpgradeMs;
    petitions_.begin(CtlKind::upgrade);
}

const char* Upgrade::why_not(bool is_reloading) const {
    return phase_.is_stopping()              ? "the server stops"
           : !phase_.started || is_reloading ? "a start or a reload is under way"
           : successor_                      ? "an upgrade is under way already"
           : own_pid_ == 1                   ? "process 1 cannot be replaced by another one"
           : !setup_.start_successor         ? "this server cannot be replaced"
                                             : nullptr;
}

void Upgrade::refuse(const std::string& why) {
    log_error("not upgraded: {}", why);
    petitions_.refuse_next(CtlKind::upgrade, "not upgraded: " + why);
}

void Upgrade::watch_successor(std::uint64_t now) {
    if (!successor_) return;
    switch (successor_->hear()) {
    case Successor::Word::none:
        if (now < due_) return;
        return drop_successor("the new server does not get ready in time");
    case Successor::Word::ready:
        if (setup_.on_handing_over) setup_.on_handing_over(successor_->pid());
        if (successor_->tell_yours()) return hand_over(now);
        if (setup_.on_handing_over) setup_.on_handing_over(own_pid_);
        return drop_successor("the new server does not listen");
    case Successor::Word::failed: return drop_successor("the new server: " + successor_->why());
    case Successor::Word::gone: due_ = now + kOvertimeMs; return;
    }
}

// Its workers, if it has any, find out and finish what they have.
void Upgrade::drop_successor(const std::string& why) {
    if (!successor_has_ended_) ops_.kill(successor_->pid(), SIGKILL);
    successor_.reset();
    successor_has_ended_ = false;
    due_ = kNever;
    const std::string verdict = "not upgraded: " + why;
    log_line(phase_.is_stopping() ? LogLevel::info : LogLevel::error, verdict);
    petitions_.answer(CtlKind::upgrade, false, verdict);
}

bool Upgrade::on_ended(pid_t pid, ExitStatus status) {
    if (!successor_ || successor_->pid() != pid) return false;
    successor_has_ended_ = true;
    drop_successor(successor_->hear() == Successor::Word::failed
                       ? "the new server: " + successor_->why()
                       : fmt::format("the new server {}", status.text()));
    return true;
}

void Upgrade::give_up() {
    if (successor_) drop_successor("the server stops");
}

// All that is left here is to finish what the workers have begun.
void Upgrade::hand_over(std::uint64_t now) {
    log_info("upgraded: process {} serves; this one finishes what it has begun", successor_->pid());
    setup_.sockets.set_shared(true);
    setup_.sockets.stop_listening(); // closes our copies
    petitions_.answer(CtlKind::upgrade, true,
                      fmt::format("upgraded: process {} serves", successor_->pid()));
    petitions_.answer(CtlKind::workers, false, "the server was upgraded");
    petitions_.forget();
    if (setup_.admin_process != nullptr) setup_.admin_process->stop(now);
    if (setup_.admin_listener != nullptr) setup_.admin_listener->forget();
    successor_.reset();
    due_ = kNever;
    phase_.handed_over = true;
    phase_.stop = Stop::unhurried;
    crew_.retire_all(crew_.current(), now);
    crew_.send_what_is_due();
}

void Upgrade::append_fds(std::vector<pollfd>& fds) const {
    if (successor_) fds.push_back({.fd = successor_->fd(), .events = POLLIN, .revents = 0});
}

} // namespace fsrv
