#include "supervisor/process_table.h"

#include <utility>

namespace fsrv {
namespace {

void append_rows(std::vector<ProcessRow>& rows, const Generation& generation) {
    for (const Worker& worker : generation.workers) {
        if (!worker.is_wanted() && !worker.slot.has_process()) continue;
        rows.push_back(
            {.state = worker.has_left ? ProcessState::draining : shown_state(worker.slot.state()),
             .slot = generation.index_of(worker),
             .score = worker.score,
             .generation = generation.number,
             .pid = worker.slot.pid(),
             .spawned_ms = worker.slot.spawned_at()});
    }
}

} // namespace

void ProcessTable::publish(const Phase& phase, const Crew& crew, unsigned wanted,
                           const std::optional<ProcessRow>& admin) {
    std::vector<ProcessRow> rows;
    append_rows(rows, crew.current());
    if (crew.next() != nullptr) append_rows(rows, *crew.next());
    for (const Leaver& leaver : crew.leavers().all())
        rows.push_back({.state = ProcessState::draining,
                        .slot = leaver.slot,
                        .score = leaver.score,
                        .generation = leaver.generation,
                        .pid = leaver.pid,
                        .spawned_ms = leaver.spawned_at});
    if (admin) rows.push_back(*admin);
    ServerRow server = server_;
    server.generation = crew.current().number;
    server.workers = wanted;
    server.draining = phase.is_stopping();
    if (server == server_ && rows == processes_) return;
    server_ = server;
    processes_ = std::move(rows);
    scoreboard_.publish(server_, processes_);
}

Health health_of(const Phase& phase, const Crew& crew, unsigned wanted) {
    const Generation& current = crew.current();
    Health health{.ready = current.count(SlotState::ready),
                  .wanted = wanted,
                  .left = static_cast<unsigned>(crew.leavers().all().size()),
                  .serving = current.serving() > 0,
                  .stopping = phase.stop != Stop::no};
    for (const Worker& worker : current.workers) health.left += worker.slot.has_process() ? 1 : 0;
    return health;
}

} // namespace fsrv
