// What the control groups around this process allow it: a container, a systemd unit. Both versions,
// also mixed; the least of all levels that can be seen counts, since each of them is in force.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace fsrv {

struct CgroupLimits {
    std::optional<double> cpus;          // processors' worth of time: cpu.max, cpu.cfs_quota_us
    std::optional<std::uint64_t> memory; // bytes: memory.max and .high, memory.limit_in_bytes
    std::optional<std::uint64_t> tasks;  // processes and threads: pids.max
    std::string tasks_file;              // that says so

    std::string text() const; // "1.5 CPUs, 192 MiB of memory, 64 tasks"; empty: no limit
    friend bool operator==(const CgroupLimits&, const CgroupLimits&) = default;
};

// `root`: an open folder that stands for "/", with proc/self/cgroup, proc/self/mountinfo and the
// mount points of the hierarchies in it. What is not there or makes no sense is no limit.
CgroupLimits read_cgroup_limits(int root);

CgroupLimits own_cgroup_limits(); // of the real one

// How many CPUs this process may keep busy: by its affinity, and by the quota of its control
// groups, rounded up.
unsigned usable_cpus();

} // namespace fsrv
