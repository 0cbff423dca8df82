#include "common/figures/sampler.h"

#include <algorithm>
#include <span>
#include <vector>

namespace fsrv {
namespace {

constexpr double kNewest = 0.4;    // weight of the latest second
constexpr double kFullLagMs = 100; // a loop as late as this is as good as full

double seconds(std::uint64_t from_ms, std::uint64_t to_ms) {
    return to_ms > from_ms ? static_cast<double>(to_ms - from_ms) / 1000 : 0;
}

bool serves(const ProcessRow& row) {
    return !row.admin && (row.state == ProcessState::ready || row.state == ProcessState::silent);
}

double load_of(const ScoreReading& reading) {
    const auto limit = static_cast<double>(reading.totals.value(Metric::connection_limit));
    const auto connections = static_cast<double>(reading.totals.value(Metric::connections));
    double lag_ms = 0, serving = 0;
    for (const auto& process : reading.processes) {
        if (!serves(process.row)) continue;
        ++serving;
        lag_ms += static_cast<double>(process.lag_ms);
    }
    const double by_connections = limit > 0 ? connections / limit : 0;
    const double by_lag = serving > 0 ? lag_ms / serving / kFullLagMs : 0;
    return std::clamp(std::max(by_connections, by_lag), 0.0, 1.0);
}

// Of the same name the one that expires first: names are cut, and a figure has one value.
std::vector<CertificateRow> one_of_each_name(std::span<const CertificateRow> all) {
    std::vector<CertificateRow> rows;
    for (const CertificateRow& row : all) {
        const auto same =
            std::ranges::find(rows, row.name, [](const CertificateRow& r) { return r.name; });
        if (same == rows.end())
            rows.push_back(row);
        else
            same->not_after = std::min(same->not_after, row.not_after);
    }
    return rows;
}

} // namespace

// A counter that went down is another process's, or one that was begun anew.
void Sampler::Trend::note(std::uint64_t value, std::uint64_t now_ms) {
    if (seen_ms != 0 && now_ms > seen_ms && value >= last) {
        const double now = static_cast<double>(value - last) / seconds(seen_ms, now_ms);
        rate = known ? rate * (1 - kNewest) + now * kNewest : now;
        if (rate < 0.01) rate = 0;
        known = true;
    }
    last = value;
    seen_ms = now_ms;
}

void Sampler::sample(const ScoreReading& reading, std::uint64_t now_ms) {
    std::map<pid_t, ProcessTrend> processes;
    std::map<TransferKey, Trend> transfers;
    for (const auto& process : reading.processes) {
        if (process.row.pid == 0) continue;
        ProcessTrend& trend = processes[process.row.pid] = processes_[process.row.pid];
        trend.requests.note(process.figures.sum(Metric::requests), now_ms);
        trend.bytes.note(bytes_sent(process.figures), now_ms);
        for (const ShownTransfer& transfer : process.transfers) {
            const TransferKey key{process.row.pid, transfer.id, transfer.started_ms};
            (transfers[key] = transfers_[key]).note(transfer.sent, now_ms);
        }
    }
    processes_ = std::move(processes);
    transfers_ = std::move(transfers);
    totals_.requests.note(reading.totals.sum(Metric::requests), now_ms);
    totals_.bytes.note(bytes_sent(reading.totals), now_ms);
    history_.push_back({.requests = totals_.requests.rate, .bytes = totals_.bytes.rate});
    if (history_.size() > kHistory) history_.pop_front();
}

Status Sampler::status(const ScoreReading& reading, std::uint64_t now_ms) const {
    Status status{.server = reading.server,
                  .uptime_s = seconds(reading.server.started_ms, now_ms),
                  .load = load_of(reading),
                  .totals = reading.totals,
                  .rates = {.requests = totals_.requests.rate, .bytes = totals_.bytes.rate},
                  .history = {history_.begin(), history_.end()},
                  .certificates = one_of_each_name(reading.certificates)};
    std::uint64_t under_way = 0;
    for (const auto& process : reading.processes) {
        if (process.row.admin) continue;
        if (process.row.state == ProcessState::ready) ++status.ready_workers;
        const auto trend = processes_.find(process.row.pid);
        const MetricTotals& figures = process.figures;
        status.workers.push_back(
            {.row = process.row,
             .uptime_s = process.row.pid == 0 ? 0 : seconds(process.row.spawned_ms, now_ms),
             .connections = figures.value(Metric::connections),
             .active = figures.value(Metric::active_requests),
             .paused = figures.value(Metric::paused_downloads),
             .lag_ms = process.lag_ms,
             .requests = figures.sum(Metric::requests),
             .rates = trend == processes_.end() ? Rates{}
                                                : Rates{.requests = trend->second.requests.rate,
                                                        .bytes = trend->second.bytes.rate}});
        under_way +=
            figures.value(Metric::active_downloads) + figures.value(Metric::paused_downloads);
        for (const ShownTransfer& transfer : process.transfers) {
            DownloadStatus shown{.name = shown_name_(transfer.target),
                                 .target = transfer.target,
                                 .client = transfer.client,
                                 .worker = process.row.pid,
                                 .id = transfer.id,
                                 .started_ms = transfer.started_ms,
                                 .sent = transfer.sent,
                                 .total = transfer.total,
                                 .seconds = seconds(transfer.started_ms, now_ms),
                                 .paused = transfer.paused,
                                 .throttled = transfer.throttled};
            const auto known = transfers_.find({process.row.pid, transfer.id, transfer.started_ms});
            if (known != transfers_.end() && known->second.known)
                shown.rate = known->second.rate;
            else if (shown.seconds > 0)
                shown.rate = static_cast<double>(shown.sent) / shown.seconds;
            if (shown.paused) shown.rate = 0;
            if (shown.rate >= 1 && shown.total >= shown.sent)
                shown.remaining = static_cast<double>(shown.total - shown.sent) / shown.rate;
            status.downloads.push_back(std::move(shown));
        }
    }
    std::stable_sort(status.downloads.begin(), status.downloads.end(),
                     [](const DownloadStatus& a, const DownloadStatus& b) {
                         return a.started_ms < b.started_ms;
                     });
    if (under_way > status.downloads.size())
        status.downloads_not_shown = under_way - status.downloads.size();
    return status;
}

} // namespace fsrv
