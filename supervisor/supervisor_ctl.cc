// What `fsrv --ctl` asks for, and the number of workers.
#include "supervisor/supervisor.h"

#include "common/log.h"
#include "supervisor/ctl/status_text.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace fsrv {

void Supervisor::take_requests(std::uint64_t now) {
    for (const Petitions::Petition& petition : petitions_.take()) obey(petition, now);
}

void Supervisor::obey(const Petitions::Petition& petition, std::uint64_t now) {
    switch (petition.command.kind) {
    case CtlKind::status: return petitions_.answer(petition, true, status(now));
    case CtlKind::top: return show_figures(petition);
    case CtlKind::reload: petitions_.wait_for_next(petition); return reload(now);
    case CtlKind::upgrade: petitions_.wait_for_next(petition); return upgrade(now);
    case CtlKind::stop: petitions_.wait(petition); return ask_to_stop(Stop::hurried, now);
    case CtlKind::workers:
        if (phase_.stop != Stop::no) return petitions_.answer(petition, false, "the server stops");
        if (const std::string why = want_workers(petition.command.number); !why.empty())
            return petitions_.answer(petition, false, why);
        return petitions_.wait(petition);
    }
}

std::string Supervisor::status(std::uint64_t now) {
    publish_processes();
    const auto reading = scoreboard_.read();
    if (!reading) return {};
    return status_text(*reading, now,
                       phase_.stop != Stop::no ? "stopping"
                       : is_reloading()        ? "reloading"
                       : successor_            ? "upgrading"
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

WorkerRange Supervisor::bounds() const {
    const WorkerRange& range = crew_.current().config.options.workers;
    return {.least = range.elastic() ? range.least : 1, .most = std::min(range.most, setup_.slots)};
}

std::string Supervisor::want_workers(unsigned number) {
    const auto [least, most, automatic] = bounds();
    if (number < least || number > most)
        return least == most ? fmt::format("the number of workers is {}: see --workers", least)
                             : fmt::format("the number of workers is from {} to {}: see --workers",
                                           least, most);
    target_ = number;
    return {};
}

void Supervisor::one_worker_more_or_less(int difference) {
    if (phase_.stop != Stop::no) return;
    const std::string why = want_workers(target_ + static_cast<unsigned>(difference));
    if (why.empty())
        log_info("{} workers from now on", target_);
    else
        log_info("still {} workers: {}", target_, why);
}

bool Supervisor::follows_the_load() const {
    return phase_.started && phase_.stop == Stop::no && !crew_.next() &&
           crew_.current().config.options.workers.elastic();
}

void Supervisor::follow_the_load(std::uint64_t now) {
    if (!follows_the_load() || !scaling_.is_due(now)) return;
    LoadSample load{.per_worker = crew_.current().config.options.requests_per_worker};
    for (Worker& worker : crew_.current().workers) {
        if (worker.slot.state() != SlotState::ready) continue;
        const ScoreSlot& score = scoreboard_.slot(worker.score);
        ++load.ready;
        load.requests += score.value(Metric::active_requests);
        load.lag_ms = std::max(load.lag_ms, score.lag_ms.load(std::memory_order_relaxed));
        const unsigned core = worker.core_use.look(ops_.wanted_cpu_ns(worker.slot.pid()), now);
        load.busiest_core = std::max(load.busiest_core, core);
        load.all_cores += core;
    }
    const unsigned before = std::exchange(target_, scaling_.look(bounds(), target_, load, now));
    if (target_ != before)
        log_info("{} workers from now on, not {}: {} requests under way, a loop {} ms late, {} % "
                 "of a core wanted by one",
                 target_, before, load.requests, load.lag_ms, load.busiest_core / 10);
}

// One more gets the first free slot. One less is one that does not serve now, if there is any, else
// the last one.
void Supervisor::see_to_the_number(std::uint64_t now) {
    if (!phase_.started || phase_.stop != Stop::no || crew_.next()) return;
    std::vector<Worker>& workers = crew_.current().workers;
    for (Worker& worker : workers)
        if (crew_.current().wanted() < target_ && !worker.is_wanted()) {
            crew_.add_worker(crew_.current().index_of(worker), now);
        }
    while (crew_.current().wanted() > target_) {
        const auto is_idle = [](const Worker& w) { return w.is_wanted() && !w.slot.is_serving(); };
        auto victim = std::find_if(workers.rbegin(), workers.rend(), is_idle);
        if (victim == workers.rend())
            victim = std::find_if(workers.rbegin(), workers.rend(),
                                  [](const Worker& w) { return w.is_wanted(); });
        crew_.retire(crew_.current(), crew_.current().index_of(*victim), now);
    }
    if (!petitions_.is_awaited(CtlKind::workers)) return;
    const bool settled = std::all_of(workers.begin(), workers.end(), [](const Worker& w) {
        return !w.is_wanted() || w.slot.had_its_chance();
    });
    if (!settled) return;
    const unsigned serving = crew_.current().serving();
    petitions_.answer(CtlKind::workers, serving == target_,
                      serving == target_
                          ? fmt::format("{} worker{}", target_, target_ == 1 ? "" : "s")
                          : fmt::format("{} of {} workers are ready", serving, target_));
}

} // namespace fsrv
