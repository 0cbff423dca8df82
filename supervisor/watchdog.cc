#include "supervisor/watchdog.h"

#include "supervisor/process_ops.h"

#include <algorithm>

namespace fsrv {
namespace {

constexpr std::uint64_t kShortestMs = 10; // however impatient the service manager is

} // namespace

Watchdog::Watchdog(std::uint64_t timeout_ms)
    : interval_ms_(std::max(timeout_ms / 2, kShortestMs)), due_(timeout_ms == 0 ? kNever : 0) {}

Watchdog::Beat Watchdog::on_time(bool serving, std::uint64_t now) {
    if (serving || served_at_ == 0) served_at_ = now;
    if (serving) hopeless_ = false;
    if (now < due_) return Beat::none;
    due_ = now + interval_ms_;
    if (now - served_at_ < kHopelessMs) return Beat::alive;
    if (hopeless_) return Beat::none;
    hopeless_ = true;
    return Beat::gives_up;
}

} // namespace fsrv
