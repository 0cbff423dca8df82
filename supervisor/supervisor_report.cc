// What the supervisor says of its processes: to the log when one ends, to the scoreboard always.
#include "supervisor/supervisor.h"

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

// For who asks how the server is. Written only when it has changed.
void Supervisor::publish_processes() {
    std::vector<ProcessRow> rows;
    append_rows(rows, crew_.current());
    if (crew_.next()) append_rows(rows, *crew_.next());
    for (const Leaver& leaver : crew_.leavers().all())
        rows.push_back({.state = ProcessState::draining,
                        .slot = leaver.slot,
                        .score = leaver.score,
                        .generation = leaver.generation,
                        .pid = leaver.pid,
                        .spawned_ms = leaver.spawned_at});
    if (admin_) rows.push_back(admin_->row());
    ServerRow server = server_row_;
    server.generation = crew_.current().number;
    server.workers = count_.wanted();
    server.draining = phase_.is_stopping();
    if (server == server_row_ && rows == process_rows_) return;
    server_row_ = server;
    process_rows_ = std::move(rows);
    scoreboard_.publish(server_row_, process_rows_);
}

Health Supervisor::health() const {
    Health health{.ready = crew_.current().count(SlotState::ready),
                  .wanted = count_.wanted(),
                  .left = static_cast<unsigned>(crew_.leavers().all().size()),
                  .serving = crew_.current().serving() > 0,
                  .stopping = phase_.stop != Stop::no};
    for (const Worker& worker : crew_.current().workers)
        health.left += worker.slot.has_process() ? 1 : 0;
    return health;
}

} // namespace fsrv
