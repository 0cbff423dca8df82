// Real-life texts of both versions, in folders that stand for "/".
#include "common/cgroup.h"

#include "common/unique_fd.h"
#include "tests/support/files.h"

#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <map>

namespace fsrv {
namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

constexpr std::uint64_t kMiB = 1024 * 1024;

struct Case {
    std::string name;
    std::string own;       // /proc/self/cgroup
    std::string mountinfo; // /proc/self/mountinfo
    Files files;
    CgroupLimits expected;
};

CgroupLimits read(const Case& c) {
    const test::TempDir root;
    const auto write = [&](const std::string& name, const std::string& text) {
        fs::create_directories((root / name).parent_path());
        test::write_file(root / name, text);
    };
    write("proc/self/cgroup", c.own);
    write("proc/self/mountinfo", c.mountinfo);
    for (const auto& [name, text] : c.files) write(name, text);
    const UniqueFd fd(::open(root.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return read_cgroup_limits(fd.get());
}

const std::string kSecond =
    "29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - "
    "cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";
const std::string kOthers = "23 28 0:21 / /sys rw,nosuid - sysfs sysfs rw\n"
                            "28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n";
const std::string kFirstInDocker =
    "669 668 0:59 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs rw,mode=755\n"
    "670 669 0:30 /docker/8f2a /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:12 - cgroup cgroup "
    "rw,cpu,cpuacct\n"
    "671 669 0:31 /docker/8f2a /sys/fs/cgroup/memory ro,nosuid master:13 - cgroup cgroup "
    "rw,memory\n"
    "672 669 0:32 /docker/8f2a /sys/fs/cgroup/pids ro,nosuid master:14 - cgroup cgroup rw,pids\n"
    "673 669 0:33 /docker/8f2a /sys/fs/cgroup/systemd ro,nosuid - cgroup cgroup "
    "rw,xattr,name=systemd\n";
const std::string kOwnInDocker = "12:pids:/docker/8f2a\n"
                                 "5:cpu,cpuacct:/docker/8f2a\n"
                                 "4:memory:/docker/8f2a\n"
                                 "1:name=systemd:/docker/8f2a\n";

TEST(Cgroup, TheLeastOfAllLevelsCounts) {
    const Case cases[] = {
        {"no cgroups at all", "", kOthers, {}, {}},
        {"version 2 on a host, a unit with CPUQuota=150% and MemoryMax=, TasksMax= of the slice",
         "0::/system.slice/fsrv.service\n",
         kOthers + kSecond,
         {{"sys/fs/cgroup/system.slice/fsrv.service/cpu.max", "150000 100000\n"},
          {"sys/fs/cgroup/system.slice/fsrv.service/memory.max", "536870912\n"},
          {"sys/fs/cgroup/system.slice/fsrv.service/memory.high", "max\n"},
          {"sys/fs/cgroup/system.slice/fsrv.service/pids.max", "max\n"},
          {"sys/fs/cgroup/system.slice/cpu.max", "max 100000\n"},
          {"sys/fs/cgroup/system.slice/memory.max", "max\n"},
          {"sys/fs/cgroup/system.slice/pids.max", "4915\n"}},
         {.cpus = 1.5,
          .memory = 512 * kMiB,
          .tasks = 4915,
          .tasks_file = "/sys/fs/cgroup/system.slice/pids.max"}},
        {"a slice above is tighter, and so is memory.high",
         "0::/a/b\n",
         kSecond,
         {{"sys/fs/cgroup/a/b/cpu.max", "400000 100000\n"},
          {"sys/fs/cgroup/a/cpu.max", "25000 50000\n"},
          {"sys/fs/cgroup/a/b/memory.max", "1073741824\n"},
          {"sys/fs/cgroup/a/memory.high", "201326592\n"},
          {"sys/fs/cgroup/a/memory.max", "268435456\n"}},
         {.cpus = 0.5, .memory = 192 * kMiB, .tasks = {}, .tasks_file = {}}},
        {"version 2 in a container with a namespace of its own",
         "0::/\n",
         kSecond,
         {{"sys/fs/cgroup/cpu.max", "200000 100000\n"},
          {"sys/fs/cgroup/memory.max", "201326592\n"},
          {"sys/fs/cgroup/pids.max", "8\n"}},
         {.cpus = 2.0, .memory = 192 * kMiB, .tasks = 8, .tasks_file = "/sys/fs/cgroup/pids.max"}},
        {"version 2, the path is of another namespace",
         "0::/../../kubepods/pod1\n",
         kSecond,
         {{"sys/fs/cgroup/cpu.max", "50000 100000"}},
         {.cpus = 0.5, .memory = {}, .tasks = {}, .tasks_file = {}}},
        {"version 1 in Docker: the mounts show the own part",
         kOwnInDocker,
         kFirstInDocker,
         {{"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n"},
          {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"},
          {"sys/fs/cgroup/memory/memory.limit_in_bytes", "201326592\n"},
          {"sys/fs/cgroup/pids/pids.max", "100\n"}},
         {.cpus = 1.5,
          .memory = 192 * kMiB,
          .tasks = 100,
          .tasks_file = "/sys/fs/cgroup/pids/pids.max"}},
        {"version 1 without limits",
         kOwnInDocker,
         kFirstInDocker,
         {{"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"},
          {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"},
          {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
          {"sys/fs/cgroup/pids/pids.max", "max\n"}},
         {}},
        {"version 1 on a host: the limit is of the folder above",
         "4:memory:/user.slice/a b\n3:cpu:/x\n",
         "40 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
         "41 30 0:32 / /mnt/c\\040pu rw - cgroup cgroup rw,cpu\n",
         {{"sys/fs/cgroup/memory/user.slice/a b/memory.limit_in_bytes", "9223372036854771712\n"},
          {"sys/fs/cgroup/memory/user.slice/memory.limit_in_bytes", "268435456\n"},
          {"mnt/c pu/x/cpu.cfs_quota_us", "300000\n"},
          {"mnt/c pu/x/cpu.cfs_period_us", "100000\n"}},
         {.cpus = 3.0, .memory = 256 * kMiB, .tasks = {}, .tasks_file = {}}},
        {"both, mixed: controllers of version 1, systemd's tree of version 2",
         "4:memory:/\n0::/init.scope\n",
         "40 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
         "41 30 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
         {{"sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864\n"},
          {"sys/fs/cgroup/unified/init.scope/pids.max", "7\n"}},
         {.cpus = {},
          .memory = 64 * kMiB,
          .tasks = 7,
          .tasks_file = "/sys/fs/cgroup/unified/init.scope/pids.max"}},
        {"nonsense is no limit",
         "x\n::\n0::\n5:cpu\n",
         kSecond + "a b c\n1 2 3 4 5 6 - cgroup\n1 2 3 4 5 - cgroup2\n",
         {{"sys/fs/cgroup/cpu.max", "0 0\n"},
          {"sys/fs/cgroup/memory.max", "many\n"},
          {"sys/fs/cgroup/pids.max", ""}},
         {}},
    };
    for (const Case& c : cases) {
        const CgroupLimits found = read(c);
        EXPECT_EQ(found, c.expected) << c.name << ": " << found.text() << " " << found.tasks_file;
    }
}

TEST(Cgroup, SaysWhatItFound) {
    EXPECT_EQ(CgroupLimits().text(), "");
    EXPECT_EQ(
        (CgroupLimits{.cpus = 1.5, .memory = 192 * kMiB, .tasks = 64, .tasks_file = "f"}).text(),
        "1.5 CPUs, 192 MiB of memory, 64 tasks");
}

TEST(Cgroup, ThereIsAlwaysACpu) {
    EXPECT_GE(usable_cpus(), 1U);
}

} // namespace
} // namespace fsrv
