// How much memory each worker may keep, where a control group has less than all of them would take
// at their most: they shrink before the kernel kills one.
#pragma once

#include "common/heritage.h"
#include "common/options.h"

#include <cstdint>
#include <optional>

namespace fsrv {

// `limit`: bytes, of all workers and all else in the same group; none: there is none. Workers may
// have half of it together: what sockets hold, the files that the kernel caches and a second
// generation during a reload are in the other half.
Budgets memory_budgets(const Options& options, std::optional<std::uint64_t> limit);

} // namespace fsrv
