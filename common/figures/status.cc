#include "common/figures/status.h"

namespace fsrv {

std::string_view Status::not_ready_because() const {
    if (server.draining) return "draining";
    if (ready_workers == 0) return "no worker is ready";
    return {};
}

std::uint64_t bytes_sent(const MetricTotals& totals) {
    return totals.sum(Metric::sent_bytes);
}

} // namespace fsrv
