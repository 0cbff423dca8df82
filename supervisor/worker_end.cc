#include "supervisor/worker_end.h"

#include "common/log.h"

#include <fmt/format.h>

namespace fsrv {
namespace {

void tell_end(const WorkerEnd& end, const Scoreboard& scoreboard, Stop stop, std::uint64_t now) {
    const bool as_asked = stop == Stop::killed || (stop != Stop::no && end.status.clean());
    const LogLevel level = as_asked             ? LogLevel::debug
                           : end.status.clean() ? LogLevel::info
                                                : LogLevel::warn;
    if (!log_enabled(level)) return;
    const std::string request =
        end.status.clean() ? std::string() : scoreboard.slot(end.score).last_request();
    log_line(level, fmt::format("slot={} worker {} {} after {:.1f} s{}{}", end.slot, end.pid,
                                end.status.text(), static_cast<double>(now - end.spawned_at) / 1000,
                                request.empty() ? "" : "; last request: ", request));
}

EndCause cause_of(const WorkerEnd& end) {
    const bool hung = end.before == SlotState::aborting || end.before == SlotState::killing;
    return hung                     ? EndCause::hung
           : end.status.clean()     ? EndCause::left
           : end.status.by_signal() ? EndCause::crashed
                                    : EndCause::failed;
}

} // namespace

void report(const WorkerEnd& end, Scoreboard& scoreboard, Stop stop, std::uint64_t now) {
    tell_end(end, scoreboard, stop, now);
    if (stop == Stop::no) scoreboard.count(Metric::ended_workers, cause_of(end));
}

} // namespace fsrv
