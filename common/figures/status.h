// How the server is, for people and programs: made of one reading of the scoreboard and of the
// rates that a Sampler has seen. Pure.
#pragma once

#include "common/scoreboard.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv {

struct Rates {
    double requests = 0; // a second
    double bytes = 0;    // of bodies, a second
};

struct WorkerStatus {
    ProcessRow row;
    double uptime_s = 0;
    std::uint64_t connections = 0;
    std::uint64_t active = 0; // requests being answered
    std::uint64_t paused = 0;
    std::uint64_t lag_ms = 0;
    std::uint64_t requests = 0;
    Rates rates;
};

struct DownloadStatus {
    std::string name;   // for people: the path, decoded where it can be
    std::string target; // as sent
    std::string client;
    pid_t worker = 0;
    std::uint64_t id = 0; // with `worker` and `started_ms` the same as long as the download lasts
    std::uint64_t started_ms = 0;
    std::uint64_t sent = 0;
    std::uint64_t total = 0;
    double seconds = 0;              // since its start
    double rate = 0;                 // bytes a second, of late
    std::optional<double> remaining; // seconds, at that rate
    bool paused = false;
    bool throttled = false; // it waits for its share of a rate
};

struct Status {
    ServerRow server;
    double uptime_s = 0;
    unsigned ready_workers = 0;
    double load = 0; // 0 to 1
    MetricTotals totals;
    Rates rates;
    std::vector<Rates> history; // a second each, the latest last
    std::vector<WorkerStatus> workers;
    std::vector<DownloadStatus> downloads; // those that run longest first
    std::uint64_t downloads_not_shown = 0;
    std::vector<CertificateRow> certificates; // that TLS is spoken with, one of each name

    // Seconds since the epoch, as the server counts them.
    std::int64_t now_s() const {
        return static_cast<std::int64_t>(server.started_s) + static_cast<std::int64_t>(uptime_s);
    }
    // Why no new client should be sent here; empty: it should.
    std::string_view not_ready_because() const;
};

std::uint64_t bytes_sent(const MetricTotals& totals);

} // namespace fsrv
