#include "worker/admin/status.h"

#include "worker/http/target.h"

namespace fsrv::admin {

std::string_view Status::not_ready_because() const {
    if (server.draining) return "draining";
    if (ready_workers == 0) return "no worker is ready";
    return {};
}

std::uint64_t bytes_sent(const MetricTotals& totals) {
    return totals.sum(Metric::sent_bytes);
}

std::string shown_name(std::string_view target) {
    const bool cut = target.size() + 1 >= limits::kShownTargetBytes;
    const auto parsed =
        target.starts_with('/') ? http::parse_target(target) : unexpected(http::TargetRefusal{});
    if (cut || !parsed) return std::string(target) + (cut ? "…" : "");
    return "/" + parsed->path + (parsed->wants_folder && !parsed->path.empty() ? "/" : "");
}

} // namespace fsrv::admin
