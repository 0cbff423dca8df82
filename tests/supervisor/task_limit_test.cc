#include "supervisor/task_limit.h"

#include <gtest/gtest.h>

namespace fsrv {
namespace {

Options options() {
    Options o;
    o.workers = {.least = 1, .most = 2};
    o.threads = 4;
    return o; // 1 + 2 * (2 + 4) = 13
}
CgroupLimits group(std::uint64_t tasks) {
    return {.cpus = {}, .memory = {}, .tasks = tasks, .tasks_file = "/sys/fs/cgroup/pids.max"};
}

TEST(TaskLimit, CountsProcessesAndThreads) {
    EXPECT_EQ(needed_tasks(options()), 13U);
    Options more = options();
    more.admin = "127.0.0.1:9090";
    EXPECT_EQ(needed_tasks(more), 14U);
}

TEST(TaskLimit, NamesWhatIsTooLow) {
    struct Case {
        TaskLimits limits;
        bool names_group, names_user;
    };
    const Case cases[] = {
        {{.cgroup = group(8), .of_user = {}}, true, false},
        {{.cgroup = group(8), .of_user = 1000}, true, false},
        {{.cgroup = group(1000), .of_user = 5}, false, true},
        {{.cgroup = group(8), .of_user = 5}, true, true},
        {{.cgroup = group(1000), .of_user = 1000}, true, true}, // others use them up
        {{.cgroup = {}, .of_user = {}}, false, false},
    };
    for (const Case& c : cases) {
        const std::string text = task_limit_text(c.limits, options());
        EXPECT_EQ(text.find("/sys/fs/cgroup/pids.max") != std::string::npos, c.names_group) << text;
        EXPECT_EQ(text.find("RLIMIT_NPROC") != std::string::npos, c.names_user) << text;
        EXPECT_NE(text.find("needs 13 "), std::string::npos) << text;
        EXPECT_NE(text.find("--threads"), std::string::npos) << text;
    }
}

} // namespace
} // namespace fsrv
