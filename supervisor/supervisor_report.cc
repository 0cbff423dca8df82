// What the supervisor says of its processes: to the log when one ends, to the scoreboard always.
#include "supervisor/supervisor.h"

#include "common/limits.h"
#include "common/log.h"
#include "supervisor/task_limit.h"

#include <fmt/format.h>

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
    append_rows(rows, *current_);
    if (next_) append_rows(rows, *next_);
    for (const Leaver& leaver : leavers_.all())
        rows.push_back({.state = ProcessState::draining,
                        .slot = leaver.slot,
                        .score = leaver.score,
                        .generation = leaver.generation,
                        .pid = leaver.pid,
                        .spawned_ms = leaver.spawned_at});
    if (admin_) rows.push_back(admin_->row());
    ServerRow server = server_row_;
    server.generation = current_->number;
    server.workers = target_;
    server.draining = stop_ != Stop::no || stop_at_ != kNever;
    if (server == server_row_ && rows == process_rows_) return;
    server_row_ = server;
    process_rows_ = std::move(rows);
    scoreboard_.publish(server_row_, process_rows_);
}

Health Supervisor::health() const {
    Health health{.ready = current_->count(SlotState::ready),
                  .wanted = target_,
                  .left = static_cast<unsigned>(leavers_.all().size()),
                  .serving = current_->serving() > 0,
                  .stopping = stop_ != Stop::no};
    for (const Worker& worker : current_->workers) health.left += worker.slot.has_process() ? 1 : 0;
    return health;
}

void Supervisor::count_end(SlotState before, ExitStatus status) {
    if (stop_ != Stop::no) return;
    const bool hung = before == SlotState::aborting || before == SlotState::killing;
    scoreboard_.count(Metric::ended_workers, hung                 ? EndCause::hung
                                             : status.clean()     ? EndCause::left
                                             : status.by_signal() ? EndCause::crashed
                                                                  : EndCause::failed);
}

// Every attempt would say the same.
void Supervisor::tell_task_limit(const Generation& generation, std::uint64_t now) {
    if (tasks_told_at_ != kNever && now < tasks_told_at_ + limits::kTroubleReportMs) return;
    tasks_told_at_ = now;
    log_error("no worker can start: {}", task_limit_text(task_limits(), generation.config.options));
}

void Supervisor::tell_end(unsigned index, pid_t pid, unsigned score, std::uint64_t spawned_at,
                          ExitStatus status, std::uint64_t now) {
    const bool as_asked = stop_ == Stop::killed || (stop_ != Stop::no && status.clean());
    const LogLevel level = as_asked         ? LogLevel::debug
                           : status.clean() ? LogLevel::info
                                            : LogLevel::warn;
    if (!log_enabled(level)) return;
    const std::string request =
        status.clean() ? std::string() : scoreboard_.slot(score).last_request();
    log_line(level, fmt::format("slot={} worker {} {} after {:.1f} s{}{}", index, pid,
                                status.text(), static_cast<double>(now - spawned_at) / 1000,
                                request.empty() ? "" : "; last request: ", request));
}

} // namespace fsrv
