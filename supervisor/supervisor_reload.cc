// One generation after the other, on the same sockets: the next one is made beside the one that
// serves, takes over when all of it is ready, and is thrown away when it never is.
#include "supervisor/supervisor.h"

#include "common/log.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

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

void Supervisor::reload(std::uint64_t now) {
    if (phase_.stop == Stop::no) reload_again_ = !phase_.started || is_reloading();
    if (reload_again_) return; // any number of times meanwhile is once afterwards
    petitions_.begin(CtlKind::reload);
    if (successor_) return end_reload(false, "not reloaded: an upgrade is under way", now);
    if (phase_.stop != Stop::no) return end_reload(false, "not reloaded: the server stops", now);
    // As much again stays for workers that die or leave, in whatever generation.
    if (scoreboard_.free() < 2 * setup_.slots)
        return end_reload(false,
                          fmt::format("not reloaded: too many workers of earlier generations still "
                                      "drain ({}); ask again when they have ended",
                                      crew_.leavers().all().size()),
                          now);
    if (stuck_.too_many())
        return end_reload(
            false,
            fmt::format("not reloaded: {} processes that looked before still hang", stuck_.size()),
            now);
    if (setup_.on_reloading) setup_.on_reloading();
    loading_ = setup_.load(crew_.current().config.options);
    see_whether_loaded(now);
}

void Supervisor::see_whether_loaded(std::uint64_t now) {
    if (!loading_) return;
    auto config = loading_->look(now);
    if (!config) return;
    stuck_.give_up(loading_->errand());
    loading_.reset();
    if (!*config) return end_reload(false, "not reloaded: " + config->error(), now);
    begin_generation(std::move(**config), now);
}

void Supervisor::begin_generation(Configuration config, std::uint64_t now) {
    const WorkerRange& range = config.options.workers;
    unsigned wanted = count_.wanted();
    if (range != crew_.current().config.options.workers)
        wanted = std::clamp(range.elastic() ? wanted : range.most, range.least, range.most);
    crew_.begin_next(std::move(config), std::min(wanted, setup_.slots), now);
}

void Supervisor::see_whether_next_is_ready(std::uint64_t now) {
    if (!crew_.next()) return;
    if (const std::string why = why_never_ready(*crew_.next()); !why.empty()) {
        crew_.discard_next(now);
        end_reload(false, fmt::format("not reloaded: with the new configuration, {}", why), now);
    } else if (crew_.next()->serving() == crew_.next()->wanted()) {
        promote_next(now);
    }
}

void Supervisor::promote_next(std::uint64_t now) {
    const std::unique_ptr<Generation> old = crew_.promote_next();
    if (crew_.current().config.options.workers != old->config.options.workers)
        count_.follow_generation();
    log_set_level(crew_.current().config.options.log_level);
    crew_.see_that_all_are_served(); // by the new ones, before the old ones leave
    crew_.retire_all(*old, now);
    crew_.send_what_is_due(); // before whoever asked hears that it is so
    end_reload(true,
               fmt::format("reloaded: generation {} serves with {} worker{}",
                           crew_.current().number, crew_.current().wanted(),
                           crew_.current().wanted() == 1 ? "" : "s"),
               now);
}

void Supervisor::end_reload(bool done, const std::string& verdict, std::uint64_t now) {
    const bool as_asked = done || phase_.stop != Stop::no;
    petitions_.answer(CtlKind::reload, done, verdict);
    log_line(as_asked ? LogLevel::info : LogLevel::error, verdict);
    if (phase_.stop != Stop::no) return;
    if (setup_.on_reloaded) setup_.on_reloaded(verdict);
    if (reload_again_) reload(now);
}

} // namespace fsrv
