#include "supervisor/service_manager.h"

#include "common/unique_fd.h"
#include "supervisor/process_ops.h"
#include "tests/support/files.h"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace fsrv {
namespace {

using Texts = std::vector<std::string>;
constexpr std::uint64_t kStart = 1'000'000;

class ServiceManagerTest : public testing::Test {
  protected:
    ServiceManagerTest() {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path_.data(), path_.size());
        EXPECT_EQ(bind(manager_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
                  0);
    }
    Texts heard() {
        Texts texts;
        char bytes[1024];
        for (ssize_t size; (size = recv(manager_.get(), bytes, sizeof bytes, 0)) >= 0;)
            texts.emplace_back(bytes, static_cast<std::size_t>(size));
        return texts;
    }
    static void set_environment(const char* notify, const char* usec, const char* pid) {
        const auto set = [](const char* name, const char* value) {
            value != nullptr ? setenv(name, value, 1) : unsetenv(name);
        };
        set("NOTIFY_SOCKET", notify);
        set("WATCHDOG_USEC", usec);
        set("WATCHDOG_PID", pid);
    }

    test::TempDir dir_;
    std::string path_ = (dir_ / "notify").string();
    UniqueFd manager_{socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
};

constexpr Health kWell{.ready = 2, .wanted = 2, .left = 2, .serving = true};

TEST_F(ServiceManagerTest, HearsWhatChangesAndNothingTwice) {
    ServiceManager manager(path_, 0);
    EXPECT_EQ(manager.on_turn({.ready = 1, .wanted = 2, .serving = true}, kStart), kNever);
    EXPECT_EQ(heard(), Texts{}) << "not before the start is over";
    manager.ready(4711, kWell);
    EXPECT_EQ(heard(), (Texts{"READY=1\nMAINPID=4711\nSTATUS=2 of 2 workers ready"}));
    manager.on_turn(kWell, kStart);
    EXPECT_EQ(heard(), Texts{});
    manager.on_turn({.ready = 1, .wanted = 2, .left = 1, .serving = true}, kStart + 1);
    manager.on_turn({.ready = 1, .wanted = 2, .left = 2, .serving = true}, kStart + 2);
    manager.on_turn(kWell, kStart + 3);
    EXPECT_EQ(heard(), (Texts{"STATUS=1 of 2 workers ready", "STATUS=2 of 2 workers ready"}));
}

TEST_F(ServiceManagerTest, HearsThatItStopsHowLongItTakesAndWhoIsLeft) {
    ServiceManager manager(path_, 0);
    manager.ready(1, kWell);
    heard();
    manager.stopping(32'000, kStart);
    manager.on_turn({.wanted = 2, .left = 2, .stopping = true}, kStart);
    manager.on_turn({.wanted = 2, .left = 1, .stopping = true}, kStart + 100);
    EXPECT_EQ(heard(), (Texts{"STOPPING=1\nEXTEND_TIMEOUT_USEC=37000000",
                              "STATUS=finishing downloads, 2 workers left",
                              "STATUS=finishing downloads, 1 worker left"}));
}

TEST_F(ServiceManagerTest, IsAskedForMoreTimeAsLongAsAStopWithoutALimitTakes) {
    ServiceManager manager(path_, 0);
    const Health health{.left = 1, .stopping = true};
    manager.stopping(kNever, kStart);
    std::uint64_t now = kStart;
    for (int i = 0; i < 3; ++i) now = manager.on_turn(health, now);
    EXPECT_GT(now, kStart);
    EXPECT_EQ(heard(), (Texts{"STOPPING=1", "EXTEND_TIMEOUT_USEC=60000000",
                              "EXTEND_TIMEOUT_USEC=60000000", "EXTEND_TIMEOUT_USEC=60000000"}));
    manager.stopping(32'000, now); // a limit was set after all
    EXPECT_EQ(manager.on_turn(health, now + 60'000), kNever);
}

TEST_F(ServiceManagerTest, HearsSignsOfLifeAlsoWhileTheServerStops) {
    ServiceManager manager(path_, 10'000);
    EXPECT_EQ(manager.on_turn(kWell, kStart), kStart + 5'000);
    EXPECT_EQ(manager.on_turn(kWell, kStart + 4'000), kStart + 5'000);
    manager.on_turn({.left = 1, .stopping = true}, kStart + 200'000);
    EXPECT_EQ(heard(), (Texts{"WATCHDOG=1", "WATCHDOG=1"}));
}

TEST_F(ServiceManagerTest, HearsNothingMoreOnceNoWorkerHasServedForLong) {
    ServiceManager manager(path_, 10'000);
    manager.on_turn(kWell, kStart);
    testing::internal::CaptureStderr();
    manager.on_turn({.wanted = 2}, kStart + kHopelessMs);
    manager.on_turn({.wanted = 2}, kStart + 2 * kHopelessMs);
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_NE(log.find("no worker has served for 60 s"), std::string::npos) << log;
    EXPECT_EQ(log.find('\n'), log.size() - 1) << log;
    EXPECT_EQ(heard(), (Texts{"WATCHDOG=1"}));
}

TEST_F(ServiceManagerTest, HearsWhyAStartFailed) {
    ServiceManager manager(path_, 0);
    manager.failed("port 80 is in use\nREADY=1", EADDRINUSE);
    manager.failed("no such user", 0);
    EXPECT_EQ(heard(),
              (Texts{"STATUS=port 80 is in use READY=1\nERRNO=98", "STATUS=no such user"}));
}

TEST_F(ServiceManagerTest, TheVariablesAreTakenAndCanBeHandedOn) {
    struct Row {
        const char *usec, *pid;
        Texts handed_on; // beside the socket
    };
    const std::string own = std::to_string(getpid());
    const Row table[] = {
        {nullptr, nullptr, {}},
        {"15000000", nullptr, {"WATCHDOG_USEC=15000000"}},
        {"15000000", own.c_str(), {"WATCHDOG_USEC=15000000"}},
        {"15000000", "1", {}},
        {"1", nullptr, {"WATCHDOG_USEC=1000"}},
        {"18446744073709551615", nullptr, {"WATCHDOG_USEC=18446744073709551000"}},
    };
    for (const Row& row : table) {
        set_environment(path_.c_str(), row.usec, row.pid);
        const ServiceManager manager = ServiceManager::from_environment();
        Texts expected{"NOTIFY_SOCKET=" + path_};
        expected.insert(expected.end(), row.handed_on.begin(), row.handed_on.end());
        EXPECT_EQ(manager.environment(), expected) << (row.usec != nullptr ? row.usec : "");
        for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
            EXPECT_EQ(getenv(name), nullptr) << name;
    }
}

TEST_F(ServiceManagerTest, ATimeThatIsNoneIsSaidAndIgnored) {
    for (const char* usec : {"0", "soon", "-1", "1s", "99999999999999999999"}) {
        set_environment(path_.c_str(), usec, nullptr);
        testing::internal::CaptureStderr();
        const ServiceManager manager = ServiceManager::from_environment();
        EXPECT_NE(testing::internal::GetCapturedStderr().find("WATCHDOG_USEC"), std::string::npos)
            << usec;
        EXPECT_EQ(manager.environment(), (Texts{"NOTIFY_SOCKET=" + path_}));
    }
}

TEST_F(ServiceManagerTest, WithoutOneNothingIsSaid) {
    set_environment(nullptr, "15000000", nullptr);
    ServiceManager manager = ServiceManager::from_environment();
    EXPECT_EQ(manager.on_turn(kWell, kStart), kNever);
    EXPECT_EQ(manager.environment(), Texts{});
}

} // namespace
} // namespace fsrv
