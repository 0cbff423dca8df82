#include "supervisor/scaling.h"

#include <algorithm>
#include <utility>

namespace fsrv {
namespace {

bool is_busy(const LoadSample& load) {
    return load.requests > load.per_worker * load.ready || load.lag_ms >= kBusyLagMs ||
           load.busiest_core > kBusyCore;
}

// Half of what would be busy, for one worker fewer: who goes is not called back at once. Nobody
// goes either while one is nearly busy by itself, with downloads that no other can take over.
bool is_quiet(const LoadSample& load) {
    const std::uint64_t fewer = load.ready - 1;
    return 2 * load.requests <= load.per_worker * fewer && 2 * load.lag_ms < kBusyLagMs &&
           2 * load.all_cores <= kBusyCore * fewer && 4 * load.busiest_core <= 3 * kBusyCore;
}

} // namespace

unsigned CoreUse::look(std::optional<std::uint64_t> wanted_ns, std::uint64_t now_ms) {
    const auto before = std::exchange(wanted_ns_, wanted_ns);
    const std::uint64_t passed_ms = now_ms - std::exchange(at_ms_, now_ms);
    if (!before || !wanted_ns || *wanted_ns < *before || passed_ms == 0) return 0;
    return static_cast<unsigned>((*wanted_ns - *before) / 1000 / passed_ms);
}

unsigned Scaling::look(const WorkerRange& range, unsigned wanted, const LoadSample& load,
                       std::uint64_t now) {
    next_look_ = now + kLookMs;
    // Those that were asked for last are still on the way: what is seen is of before.
    if (load.ready < wanted || load.ready == 0) return wanted;
    busy_looks_ = is_busy(load) ? busy_looks_ + 1 : 0;
    if (!is_quiet(load))
        quiet_since_ = 0;
    else if (quiet_since_ == 0)
        quiet_since_ = now;
    if (busy_looks_ >= kBusyLooks) {
        busy_looks_ = 0;
        return std::min(2 * wanted, range.most);
    }
    if (quiet_since_ != 0 && now - quiet_since_ >= kQuietMs) {
        quiet_since_ = now;
        return std::max(wanted - 1, range.least);
    }
    return wanted;
}

} // namespace fsrv
