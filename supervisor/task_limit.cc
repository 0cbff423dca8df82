#include "supervisor/task_limit.h"

#include <fmt/format.h>
#include <sys/resource.h>

namespace fsrv {

TaskLimits task_limits() {
    TaskLimits limits{.cgroup = own_cgroup_limits(), .of_user = std::nullopt};
    rlimit limit{};
    if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        limits.of_user = limit.rlim_cur;
    return limits;
}

std::uint64_t needed_tasks(const Options& options) {
    constexpr std::uint64_t kLoopAndLog = 2;
    return 1 + options.workers.most * (kLoopAndLog + options.threads) +
           (options.admin.empty() ? 0 : 1);
}

std::string task_limit_text(const TaskLimits& limits, const Options& options) {
    const std::uint64_t needed = needed_tasks(options);
    std::string named;
    // What is too low for us alone is to blame; else somebody else uses it up.
    bool is_too_low = true;
    for (const bool only_too_low : {true, false}) {
        if (!named.empty()) break;
        is_too_low = only_too_low;
        const auto add = [&](std::optional<std::uint64_t> limit, const std::string& text) {
            if (!limit || (only_too_low && *limit >= needed)) return;
            named += (named.empty() ? "" : ", and ") + text;
        };
        add(limits.cgroup.tasks,
            fmt::format("the control group allows {} ({}; TasksMax= of a unit, --pids-limit of a "
                        "container)",
                        limits.cgroup.tasks.value_or(0), limits.cgroup.tasks_file));
        add(limits.of_user, fmt::format("a user may have {} (RLIMIT_NPROC; ulimit -u, LimitNPROC=)",
                                        limits.of_user.value_or(0)));
    }
    if (named.empty())
        named = "the system has no more (kernel.threads-max, kernel.pid_max, memory)";
    return fmt::format("this server needs {} processes and threads, {} {}: allow more, or take "
                       "fewer --workers or --threads",
                       needed,
                       is_too_low ? "and" : "and others have used up what there is:", named);
}

} // namespace fsrv
