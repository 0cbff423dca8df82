// In a control group, as a container or a unit is: its share of the processors, of memory, of
// tasks.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

// A group of its own with that controller, of either version; gone at the end of its life.
class ControlGroup final {
  public:
    explicit ControlGroup(const std::string& controller) {
        const std::string name = "fsrv-test-" + std::to_string(::getpid());
        const fs::path first = fs::path("/sys/fs/cgroup") / controller;
        const fs::path second = "/sys/fs/cgroup";
        is_second_ =
            read_file(second / "cgroup.subtree_control").find(controller) != std::string::npos;
        std::error_code error;
        const fs::path folder = (is_second_ ? second : first) / name;
        if ((is_second_ || fs::exists(first / "cgroup.procs")) &&
            fs::create_directory(folder, error))
            folder_ = folder;
    }
    ~ControlGroup() {
        if (exists()) await([&] { return ::rmdir(folder_.c_str()) == 0; });
    }
    ControlGroup(const ControlGroup&) = delete;
    ControlGroup& operator=(const ControlGroup&) = delete;

    bool exists() const { return !folder_.empty(); }
    bool is_second() const { return is_second_; }
    bool set(const char* file, const std::string& value) const {
        const UniqueFd fd(::open((folder_ / file).c_str(), O_WRONLY | O_CLOEXEC));
        return fd &&
               ::write(fd.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
    }
    // In a child: this process, and who comes from it.
    void enter() const { set("cgroup.procs", "0"); }
    std::string path() const { return folder_.string(); }

  private:
    fs::path folder_;
    bool is_second_ = false;
};

class Container : public testing::Test {
  protected:
    Container() { write_pattern(root_ / "t.bin", 1000); }
    TempDir root_;
};

constexpr const char* kNoGroup = "no control group can be made here";

TEST_F(Container, AsManyWorkersAsTheQuotaHasProcessors) {
    cpu_set_t set;
    if (::sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < 2)
        GTEST_SKIP() << "one processor is as many as a quota leaves";
    const ControlGroup group("cpu");
    if (!group.exists()) GTEST_SKIP() << kNoGroup;
    if (!(group.is_second() ? group.set("cpu.max", "100000 100000")
                            : group.set("cpu.cfs_quota_us", "100000")))
        GTEST_SKIP() << "this kernel has no quota of processors";
    Server server(root_.path(),
                  {.args = {"--workers", "auto"}, .before_exec = [&] { group.enter(); }});
    ASSERT_TRUE(server.started());
    EXPECT_NE(server.start_line().find("with 1 worker "), std::string::npos) << server.start_line();
    EXPECT_NE(server.log().text().find("control group: 1 CPUs"), std::string::npos)
        << server.log().text();
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

// Eight slow readers of a listing got a worker killed.
TEST_F(Container, SlowReadersOfListingsStayWithinTheMemory) {
    const ControlGroup group("memory");
    if (!group.exists()) GTEST_SKIP() << kNoGroup;
    ASSERT_TRUE(group.set(group.is_second() ? "memory.max" : "memory.limit_in_bytes", "201326592"));
    fs::create_directory(root_ / "many");
    for (int i = 0; i < 20'000; ++i)
        write_file(root_ / ("many/" + std::to_string(i) + std::string(150, 'x')), "");
    Server server(root_.path(), {.args = {"--workers", "1", "--stall-timeout", "1s"},
                                 .before_exec = [&] { group.enter(); }});
    ASSERT_TRUE(server.started());
    EXPECT_NE(server.log().text().find("192 MiB of memory"), std::string::npos)
        << server.log().text();
    const std::vector<pid_t> workers = server.workers();
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 40; ++i) {
        clients.push_back(
            std::make_unique<RawClient>(server.port(), ClientSetup{.receive_buffer = 4096}));
        clients.back()->send(get("/many/"));
        const Response answer = clients.back()->read_head();
        EXPECT_TRUE(answer.status == 200 || answer.status == 503) << answer.status;
    }
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    EXPECT_EQ(server.workers(), workers) << "nobody was killed\n" << server.log().text();
}

// It said that it serves, and its workers aborted at the first request.
TEST_F(Container, TooFewTasksEndTheStartAndAreNamed) {
    const ControlGroup group("pids");
    if (!group.exists()) GTEST_SKIP() << kNoGroup;
    ASSERT_TRUE(group.set("pids.max", "8"));
    Server server(
        root_.path(),
        {.args = {"--workers", "2"}, .before_exec = [&] { group.enter(); }, .must_start = false});
    if (server.started()) { // one of the two could
        EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
        server.expect_trouble("no worker can start");
        server.expect_trouble("exited with status 4");
        server.expect_trouble("cannot start a worker");
    }
    EXPECT_TRUE(server.log().await_line(group.path() + "/pids.max")) << server.log().text();
    EXPECT_TRUE(server.log().await_line("the control group allows 8 ")) << server.log().text();
    EXPECT_TRUE(server.log().await_line("needs 13 processes and threads")) << server.log().text();
    EXPECT_EQ(server.log().count("SIGABRT"), 0U) << server.log().text();
}

TEST_F(Container, TooFewTasksOfTheUserEndTheStartAndAreNamed) {
    if (!am_root()) GTEST_SKIP() << "needs root to become a user without privileges";
    Server server(root_.path(), {.args = {"--workers", "1", "--user", "nobody"},
                                 .before_exec =
                                     [] {
                                         const rlimit few{.rlim_cur = 3, .rlim_max = 3};
                                         ::setrlimit(RLIMIT_NPROC, &few);
                                     },
                                 .must_start = false});
    EXPECT_FALSE(server.started());
    EXPECT_TRUE(server.log().await_line("a user may have 3 (RLIMIT_NPROC")) << server.log().text();
    const auto status = server.await_exit();
    ASSERT_TRUE(status);
    EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 1) << *status;
    EXPECT_EQ(server.log().count("SIGABRT"), 0U) << server.log().text();
    EXPECT_EQ(server.log().count("terminate called"), 0U) << server.log().text();
}

TEST_F(Container, ThreadsAreThereBeforeItSaysThatItServes) {
    Server server(root_.path(), {"--workers", "1", "--threads", "7"});
    const std::vector<pid_t> workers = server.workers();
    ASSERT_EQ(workers.size(), 1U);
    EXPECT_GE(std::stoi(process_status(workers[0])["Threads"]), 8);
}

} // namespace
} // namespace fsrv::test
