// The walls of a worker, each tried from inside: a child locks itself in, tries one thing, and
// tells the errno of it by its exit status.
#include "common/unique_fd.h"
#include "tests/support/await.h"
#include "tests/support/files.h"
#include "tests/worker/start/sandbox_inside.h"
#include "worker/start/sandbox.h"

#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fsrv {
namespace {

long landlock_abi() {
    return ::syscall(SYS_landlock_create_ruleset, nullptr, std::size_t{0},
                     LANDLOCK_CREATE_RULESET_VERSION);
}

class Landlock : public testing::Test {
  protected:
    void SetUp() override {
        if (landlock_abi() < 1) GTEST_SKIP() << "this kernel has no Landlock";
        test::write_file(root_ / "f", "bytes");
        test::write_file(outside_ / "secret", "bytes");
        root_fd_.reset(::open(root_.str().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        secret_ = outside_ / "secret";
        file_ = root_ / "f";
    }
    int inside(const std::function<long()>& attempt, Symlinks symlinks = Symlinks::inside) {
        return test::inside([&] { return confine_files(root_fd_.get(), symlinks).has_value(); },
                            attempt);
    }
    test::TempDir root_, outside_;
    UniqueFd root_fd_;
    std::string secret_, file_;
};

TEST_F(Landlock, FilesBeneathTheRootAreRead) {
    EXPECT_EQ(inside([&] { return ::openat(root_fd_.get(), "f", O_RDONLY); }), 0);
    EXPECT_EQ(inside([&] { return ::openat(root_fd_.get(), ".", O_RDONLY | O_DIRECTORY); }), 0);
    EXPECT_EQ(inside([&] { return ::open(file_.c_str(), O_RDONLY); }), 0);
}

TEST_F(Landlock, FilesOutsideAreNot) {
    EXPECT_EQ(inside([&] { return ::open(secret_.c_str(), O_RDONLY); }), EACCES);
    EXPECT_EQ(inside([&] { return ::openat(root_fd_.get(), "../../etc/passwd", O_RDONLY); }),
              EACCES);
    EXPECT_EQ(inside([] { return ::open("/proc/self/environ", O_RDONLY); }), EACCES);
    EXPECT_EQ(inside([] { return ::open("/", O_RDONLY | O_DIRECTORY); }), EACCES);
}

TEST_F(Landlock, FollowedLinksMayLeadAnywhere) {
    EXPECT_EQ(inside([&] { return ::open(secret_.c_str(), O_RDONLY); }, Symlinks::follow), 0);
    EXPECT_EQ(inside([&] { return ::open(secret_.c_str(), O_WRONLY); }, Symlinks::follow), EACCES);
}

TEST_F(Landlock, NothingIsWrittenMadeOrRemoved) {
    EXPECT_EQ(inside([&] { return ::open(file_.c_str(), O_WRONLY); }), EACCES);
    EXPECT_EQ(inside([&] { return ::open((root_ / "new").c_str(), O_WRONLY | O_CREAT, 0600); }),
              EACCES);
    EXPECT_EQ(inside([&] { return ::mkdir((root_ / "new").c_str(), 0700); }), EACCES);
    EXPECT_EQ(inside([&] { return ::unlink(file_.c_str()); }), EACCES);
    EXPECT_EQ(inside([&] { return ::symlink("f", (root_ / "link").c_str()); }), EACCES);
    if (landlock_abi() >= 3) {
        EXPECT_EQ(inside([&] { return ::truncate(file_.c_str(), 1); }), EACCES);
    }
    EXPECT_TRUE(std::filesystem::exists(file_));
}

TEST_F(Landlock, NothingIsExecuted) {
    EXPECT_EQ(inside([] { return ::execl("/bin/true", "true", nullptr); }), EACCES);
}

TEST_F(Landlock, AFileThatWasOpenStaysWritable) {
    const UniqueFd log(::open((outside_ / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
    EXPECT_EQ(inside([&] { return ::write(log.get(), "line\n", 5); }), 0);
}

TEST_F(Landlock, NoTcpConnectionIsMade) {
    if (landlock_abi() < 4) GTEST_SKIP() << "this kernel's Landlock knows no network";
    const auto attempt = [](auto call) {
        return [call] {
            const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
            sockaddr_in nobody{};
            nobody.sin_family = AF_INET;
            nobody.sin_port = htons(9);
            nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            return static_cast<long>(call(fd, reinterpret_cast<sockaddr*>(&nobody), sizeof nobody));
        };
    };
    EXPECT_EQ(inside(attempt(::connect)), EACCES);
    EXPECT_EQ(inside(attempt(::bind)), EACCES);
}

TEST_F(Landlock, AThreadThatComesLaterIsInsideToo) {
    EXPECT_EQ(inside([&] {
                  static int error = 0; // of the child alone
                  pthread_t thread{};
                  ::pthread_create(
                      &thread, nullptr,
                      [](void* path) -> void* {
                          const int fd = ::open(static_cast<const char*>(path), O_RDONLY);
                          error = fd < 0 ? errno : 0;
                          return nullptr;
                      },
                      secret_.data());
                  ::pthread_join(thread, nullptr);
                  errno = error;
                  return error == 0 ? 0L : -1L;
              }),
              EACCES);
}

TEST(Sandbox, OffIsOff) {
    const auto report = enter_sandbox(SandboxMode::off, -1, Symlinks::inside, {});
    ASSERT_TRUE(report);
    EXPECT_EQ(report->text(), "landlock=none seccomp=none");
    EXPECT_EQ(report->missing, "");
}

// Auto says what is missing, on refuses.
TEST(Sandbox, OnRefusesWhereTheKernelDoes) {
    constexpr int kNoRoot = kNoFiles - 1; // which cannot be allowed to be read
    const pid_t child = ::fork();
    if (child == 0) {
        const auto on = enter_sandbox(SandboxMode::on, kNoRoot, Symlinks::inside, {});
        ::_exit(!on && !on.error().empty() ? 0 : 1);
    }
    EXPECT_EQ(test::await_child(child), 0);
}

} // namespace
} // namespace fsrv
