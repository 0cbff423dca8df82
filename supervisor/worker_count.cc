#include "supervisor/worker_count.h"

#include "common/log.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace fsrv {

WorkerRange WorkerCount::bounds() const {
    const WorkerRange& range = crew_.current().config.options.workers;
    const auto slots = static_cast<unsigned>(crew_.current().workers.size());
    return {.least = range.elastic() ? range.least : 1, .most = std::min(range.most, slots)};
}

std::string WorkerCount::want(unsigned number) {
    const auto [least, most, automatic] = bounds();
    if (number < least || number > most)
        return least == most ? fmt::format("the number of workers is {}: see --workers", least)
                             : fmt::format("the number of workers is from {} to {}: see --workers",
                                           least, most);
    wanted_ = number;
    return {};
}

void WorkerCount::one_more_or_less(int difference) {
    if (phase_.stop != Stop::no) return;
    const std::string why = want(wanted_ + static_cast<unsigned>(difference));
    if (why.empty())
        log_info("{} workers from now on", wanted_);
    else
        log_info("still {} workers: {}", wanted_, why);
}

bool WorkerCount::follows_the_load() const {
    return phase_.started && phase_.stop == Stop::no && crew_.next() == nullptr &&
           crew_.current().config.options.workers.elastic();
}

void WorkerCount::follow_the_load(std::uint64_t now) {
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
    const unsigned before = std::exchange(wanted_, scaling_.look(bounds(), wanted_, load, now));
    if (wanted_ != before)
        log_info("{} workers from now on, not {}: {} requests under way, a loop {} ms late, {} % "
                 "of a core wanted by one",
                 wanted_, before, load.requests, load.lag_ms, load.busiest_core / 10);
}

void WorkerCount::see_to_the_number(std::uint64_t now) {
    if (!phase_.started || phase_.stop != Stop::no || crew_.next() != nullptr) return;
    Generation& current = crew_.current();
    for (const Worker& worker : current.workers)
        if (current.wanted() < wanted_ && !worker.is_wanted())
            crew_.add_worker(current.index_of(worker), now);
    while (current.wanted() > wanted_) crew_.retire(current, current.index_of(superfluous()), now);
    if (petitions_.is_awaited(CtlKind::workers)) tell_who_asked();
}

// One that does not serve now, if there is any, else the last one.
Worker& WorkerCount::superfluous() {
    std::vector<Worker>& workers = crew_.current().workers;
    const auto is_idle = [](const Worker& w) { return w.is_wanted() && !w.slot.is_serving(); };
    const auto is_wanted = [](const Worker& w) { return w.is_wanted(); };
    auto victim = std::find_if(workers.rbegin(), workers.rend(), is_idle);
    if (victim == workers.rend())
        victim = std::find_if(workers.rbegin(), workers.rend(), is_wanted);
    return *victim;
}

void WorkerCount::tell_who_asked() {
    if (!crew_.current().all_had_their_chance()) return;
    const unsigned serving = crew_.current().serving();
    petitions_.answer(CtlKind::workers, serving == wanted_,
                      serving == wanted_
                          ? fmt::format("{} worker{}", wanted_, wanted_ == 1 ? "" : "s")
                          : fmt::format("{} of {} workers are ready", serving, wanted_));
}

std::uint64_t WorkerCount::next_deadline() const {
    return follows_the_load() ? scaling_.next_look() : kNever;
}

} // namespace fsrv
