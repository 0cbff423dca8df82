// Why the system gives no more processes or threads, for a person who can change it.
#pragma once

#include "common/cgroup.h"
#include "common/options.h"

#include <cstdint>
#include <optional>
#include <string>

namespace fsrv {

struct TaskLimits {
    CgroupLimits cgroup;
    std::optional<std::uint64_t> of_user; // RLIMIT_NPROC: of all processes of one user together
};
TaskLimits task_limits(); // of this process

// Processes and threads that a server with these options has at most, but for a reload, when there
// are two generations for a while.
std::uint64_t needed_tasks(const Options& options);

// "this server needs 13 tasks, and the control group allows 8 (/sys/fs/cgroup/pids.max): ...".
// Names what is too low, else all that there is.
std::string task_limit_text(const TaskLimits& limits, const Options& options);

} // namespace fsrv
