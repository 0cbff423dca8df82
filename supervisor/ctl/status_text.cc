#include "supervisor/ctl/status_text.h"

#include <algorithm>
#include <fmt/format.h>

namespace fsrv {
namespace {

std::string row(std::string_view slot, std::string_view pid, std::string_view state,
                std::string_view up, std::string_view connections, std::string_view requests,
                std::string_view sent) {
    return fmt::format("{:>5}  {:>8}  {:<9} {:>12}  {:>11}  {:>10}  {:>10}\n", slot, pid, state, up,
                       connections, requests, sent);
}

std::string process_row(const ScoreReading::Process& process, std::uint64_t now_ms) {
    const bool lives = process.row.pid != 0;
    const MetricTotals& figures = process.figures;
    return row(process.row.admin ? "admin" : fmt::format("{}", process.row.slot),
               lives ? fmt::format("{}", process.row.pid) : "-", name_of(process.row.state),
               lives ? time_text(now_ms - process.row.spawned_ms) : "-",
               fmt::format("{}", figures.value(Metric::connections)),
               fmt::format("{}", figures.sum(Metric::requests)),
               bytes_text(figures.sum(Metric::sent_bytes)));
}

} // namespace

std::string time_text(std::uint64_t ms) {
    const std::uint64_t s = ms / 1000, min = s / 60, h = min / 60, d = h / 24;
    if (s == 0) return fmt::format("{} ms", ms);
    if (min == 0) return fmt::format("{} s", s);
    if (h == 0) return fmt::format("{} min {} s", min, s % 60);
    if (d == 0) return fmt::format("{} h {} min", h, min % 60);
    return fmt::format("{} d {} h", d, h % 24);
}

std::string bytes_text(std::uint64_t bytes) {
    constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    std::size_t unit = 0;
    auto value = static_cast<double>(bytes);
    for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
    return value >= 10 || unit == 0 ? fmt::format("{:.0f} {}", value, kUnits[unit])
                                    : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string status_text(const ScoreReading& reading, std::uint64_t now_ms, std::string_view doing) {
    const ServerRow& server = reading.server;
    const auto ready = std::count_if(
        reading.processes.begin(), reading.processes.end(), [&](const ScoreReading::Process& p) {
            return !p.row.admin && p.row.state == ProcessState::ready &&
                   p.row.generation == server.generation;
        });
    std::string text = fmt::format(
        "fsrv {} (pid {}), up {}, generation {}, {} of {} worker{} ready{}{}\n", FSRV_VERSION,
        server.pid, time_text(now_ms - server.started_ms), server.generation, ready, server.workers,
        server.workers == 1 ? "" : "s", doing.empty() ? "" : ", ", doing);
    text += row("slot", "pid", "state", "up", "connections", "requests", "sent");
    for (const ScoreReading::Process& process : reading.processes)
        text += process_row(process, now_ms);
    return text + fmt::format("{} requests answered, {} sent, by these and those before them",
                              reading.totals.sum(Metric::requests),
                              bytes_text(reading.totals.sum(Metric::sent_bytes)));
}

} // namespace fsrv
