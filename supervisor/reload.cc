#include "supervisor/reload.h"

#include "common/log.h"

#include <algorithm>
#include <fmt/format.h>
#include <memory>

namespace fsrv {
namespace {

// What keeps the generation from ever being ready; empty: nothing as yet.
std::string why_never_ready(const Generation& next) {
    for (const Worker& worker : next.workers) {
        if (worker.slot.state() == SlotState::failed)
            return "its workers refuse it (exit status 2; the log says why)";
        if (worker.is_wanted() && worker.slot.had_its_chance() && !worker.slot.was_ever_ready())
            return "its workers do not get ready (the log says why)";
    }
    return {};
}

} // namespace

void Reload::ask(bool is_upgrading, std::uint64_t now) {
    if (phase_.stop == Stop::no) again_ = !phase_.started || is_under_way();
    if (again_) return;
    petitions_.begin(CtlKind::reload);
    if (const std::string why = why_not(is_upgrading); !why.empty()) return fail(why, now);
    if (hooks_.on_reloading) hooks_.on_reloading();
    loading_ = hooks_.load(crew_.current().config.options);
    see_whether_loaded(now);
}

std::string Reload::renew(Configuration config, bool is_upgrading, std::uint64_t now) {
    if (std::string why = why_not(is_upgrading); !why.empty()) return why;
    renewing_ = true;
    if (hooks_.on_reloading) hooks_.on_reloading();
    begin_generation(std::move(config), now);
    return {};
}

void Reload::on_started(std::uint64_t now) {
    if (again_) ask(false, now);
}

std::string Reload::why_not(bool is_upgrading) const {
    if (is_upgrading) return "an upgrade is under way";
    if (phase_.stop != Stop::no) return "the server stops";
    // As much again stays for workers that die or leave, in whatever generation.
    if (scoreboard_.free() < 2 * crew_.current().workers.size())
        return fmt::format("too many workers of earlier generations still drain ({}); ask again "
                           "when they have ended",
                           crew_.leavers().all().size());
    if (stuck_.too_many())
        return fmt::format("{} processes that looked before still hang", stuck_.size());
    return {};
}

void Reload::see_whether_loaded(std::uint64_t now) {
    if (!loading_) return;
    auto config = loading_->look(now);
    if (!config) return;
    stuck_.give_up(errand());
    loading_.reset();
    if (!*config) return fail(config->error(), now);
    begin_generation(std::move(**config), now);
}

void Reload::begin_generation(Configuration config, std::uint64_t now) {
    const WorkerRange& range = config.options.workers;
    unsigned wanted = count_.wanted();
    if (range != crew_.current().config.options.workers)
        wanted = std::clamp(range.elastic() ? wanted : range.most, range.least, range.most);
    crew_.begin_next(std::move(config), wanted, now);
}

void Reload::see_whether_next_is_ready(std::uint64_t now) {
    const Generation* next = crew_.next();
    if (next == nullptr) return;
    if (const std::string why = why_never_ready(*next); !why.empty()) {
        crew_.discard_next(now);
        fail(fmt::format("with the new {}, {}", renewing_ ? "certificates" : "configuration", why),
             now);
    } else if (next->serving() == next->wanted()) {
        promote_next(now);
    }
}

void Reload::promote_next(std::uint64_t now) {
    const std::unique_ptr<Generation> old = crew_.promote_next();
    const Generation& current = crew_.current();
    if (current.config.options.workers != old->config.options.workers) count_.follow_generation();
    log_set_level(current.config.options.log_level);
    crew_.see_that_all_are_served(); // by the new ones, before the old ones leave
    crew_.retire_all(*old, now);
    crew_.send_what_is_due(); // before whoever asked hears that it is so
    // An old worker that has not read that yet lets nobody in by the old rules.
    if (current.config.options.rules != old->config.options.rules ||
        current.config.access.material != old->config.access.material)
        scoreboard_.announce_rules(current.number);
    end(true,
        fmt::format("{}: generation {} serves with {} worker{}", participle(), current.number,
                    current.wanted(), current.wanted() == 1 ? "" : "s"),
        now);
}

void Reload::fail(std::string_view why, std::uint64_t now) {
    end(false, fmt::format("not {}: {}", participle(), why), now);
}

void Reload::end(bool done, const std::string& verdict, std::uint64_t now) {
    renewing_ = false;
    const bool as_asked = done || phase_.stop != Stop::no;
    petitions_.answer(CtlKind::reload, done, verdict);
    log_line(as_asked ? LogLevel::info : LogLevel::error, verdict);
    if (phase_.stop != Stop::no) return;
    if (hooks_.on_reloaded) hooks_.on_reloaded(verdict);
    // None but a reload can be under way while one is, so there is no upgrade.
    if (again_) ask(false, now);
}

void Reload::give_up(std::uint64_t now) {
    again_ = renewing_ = false;
    stuck_.give_up(errand());
    loading_.reset();
    if (crew_.next() != nullptr) crew_.discard_next(now);
    constexpr std::string_view kWhy = "not reloaded: the server stops";
    petitions_.answer(CtlKind::reload, false, kWhy);
    petitions_.refuse_next(CtlKind::reload, kWhy);
}

bool Reload::on_ended(pid_t pid) {
    if (errand() == nullptr || errand()->pid() != pid) return false;
    errand()->on_reaped();
    return true;
}

std::uint64_t Reload::next_deadline() const {
    return errand() != nullptr ? errand()->due() : kNever;
}

void Reload::append_fds(std::vector<pollfd>& fds) const {
    if (errand() != nullptr) fds.push_back({.fd = errand()->fd(), .events = POLLIN, .revents = 0});
}

void Reload::close_in_child() {
    if (errand() != nullptr) errand()->forget();
}

} // namespace fsrv
