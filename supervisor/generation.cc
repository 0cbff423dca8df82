#include "supervisor/generation.h"

#include "common/limits.h"

#include <algorithm>

namespace fsrv {

Generation::Generation(unsigned number_of, Configuration configuration, unsigned slots,
                       unsigned wanted_workers)
    : number(number_of), config(std::move(configuration)) {
    for (unsigned i = 0; i < slots; ++i) {
        workers.push_back({.slot = new_slot()});
        if (i >= wanted_workers) workers.back().slot.stop();
    }
}

std::uint64_t Generation::grace_ms() const {
    return static_cast<std::uint64_t>(config.options.grace.count());
}

std::uint64_t Generation::hang_timeout_ms() const {
    const auto wanted = static_cast<std::uint64_t>(config.options.hang_timeout.count());
    return std::max(wanted, 2 * limits::kTickMs); // less would meet the healthy
}

WorkerSlot Generation::new_slot() const {
    return WorkerSlot(hang_timeout_ms());
}

unsigned Generation::count(SlotState state) const {
    return static_cast<unsigned>(std::count_if(
        workers.begin(), workers.end(), [&](const Worker& w) { return w.slot.state() == state; }));
}

unsigned Generation::wanted() const {
    return static_cast<unsigned>(workers.size()) - count(SlotState::gone);
}

unsigned Generation::serving() const {
    return count(SlotState::ready) + count(SlotState::silent);
}

bool Generation::all_had_their_chance() const {
    return std::all_of(workers.begin(), workers.end(),
                       [](const Worker& w) { return !w.is_wanted() || w.slot.had_its_chance(); });
}

bool Generation::was_ever_ready() const {
    return std::any_of(workers.begin(), workers.end(),
                       [](const Worker& w) { return w.slot.was_ever_ready(); });
}

std::uint64_t Generation::next_deadline() const {
    std::uint64_t earliest = kNever;
    for (const Worker& worker : workers) earliest = std::min(earliest, worker.slot.next_deadline());
    return earliest;
}

void Generation::hurry_when_alone() {
    Worker* first = nullptr;
    for (Worker& worker : workers) {
        if (worker.slot.is_serving() || worker.slot.state() == SlotState::starting) return;
        if (worker.slot.state() != SlotState::waiting) continue;
        if (first == nullptr || worker.slot.next_deadline() < first->slot.next_deadline())
            first = &worker;
    }
    if (first != nullptr) first->slot.hurry();
}

Worker* Generation::find(pid_t pid) {
    const auto found = std::find_if(workers.begin(), workers.end(),
                                    [&](const Worker& w) { return w.slot.pid() == pid; });
    return found == workers.end() ? nullptr : &*found;
}

unsigned Generation::index_of(const Worker& worker) const {
    return static_cast<unsigned>(&worker - workers.data());
}

} // namespace fsrv
