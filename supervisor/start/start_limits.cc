#include "supervisor/start/start_limits.h"

#include "common/cgroup.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/open_files.h"
#include "supervisor/start/memory_budgets.h"

#include <cstdint>

namespace fsrv {

void tell_of_control_group(const Options& options) {
    const CgroupLimits found = own_cgroup_limits();
    if (found == CgroupLimits()) return;
    const Budgets budgets = memory_budgets(options, found.memory);
    const Budgets full = memory_budgets(options, std::nullopt);
    const bool is_less = budgets.cache_bytes < full.cache_bytes ||
                         budgets.listing_bytes < full.listing_bytes ||
                         budgets.big_chunks < full.big_chunks;
    if (!is_less && !found.cpus) return log_debug("control group: {}", found.text());
    constexpr std::uint64_t kMiB = 1024 * 1024;
    log_info("control group: {}; {} worker{} at most, each with {} MiB for small files, {} MiB for "
             "listings, {} MiB for bytes on their way",
             found.text(), options.workers.most, options.workers.most == 1 ? "" : "s",
             budgets.cache_bytes / kMiB, budgets.listing_bytes / kMiB,
             budgets.big_chunks * std::uint64_t{limits::kChunkBytes} / kMiB);
}

void warn_of_few_files() {
    const OpenFilesLimit limit = open_files_limit();
    if (!limit.known)
        log_warn("the system does not tell the limit of open files (prlimit64, "
                 "/proc/self/limits): {} are assumed; allow prlimit64, or give --max-connections",
                 limit.soft);
    else if (limit.soft < limit.hard)
        log_warn("the limit of open files stays {}, though {} are allowed: the system refuses "
                 "prlimit64; allow it, or start with a higher one (ulimit -n, LimitNOFILE=)",
                 limit.soft, limit.hard);
}

} // namespace fsrv
