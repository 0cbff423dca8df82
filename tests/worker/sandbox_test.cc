// The walls of a worker, each tried from inside: a child locks itself in, tries one thing, and
// tells the errno of it by its exit status.
#include "common/unique_fd.h"
#include "tests/support/await.h"
#include "tests/support/files.h"
#include "worker/sandbox.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fsrv {
namespace {

constexpr int kNoWall = 250; // exit status of a child that could not lock itself in

// 0, or the errno of what `attempt` did (it returns a negative number when it failed) in a child
// that went through `wall` first.
int inside(const std::function<bool()>& wall, const std::function<long()>& attempt) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (!wall()) ::_exit(kNoWall);
        errno = 0;
        const long result = attempt();
        ::_exit(result < 0 ? errno : 0);
    }
    const auto status = test::await_child(child);
    EXPECT_TRUE(status && WIFEXITED(*status)) << "wait status " << status.value_or(-1);
    return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
}

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
        return fsrv::inside([&] { return confine_files(root_fd_.get(), symlinks).has_value(); },
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

struct Attempt {
    const char* name;
    long (*call)();
    int error;
};
void PrintTo(const Attempt& attempt, std::ostream* out) {
    *out << attempt.name;
}

// What a worker has no use for, and somebody who broke into it would.
const Attempt kAttempts[] = {
    {"Read", [] { return static_cast<long>(::getpid()); }, 0},
    {"Socket", [] { return static_cast<long>(::socket(AF_INET, SOCK_STREAM, 0)); }, EPERM},
    {"UnixSocket", [] { return static_cast<long>(::socket(AF_UNIX, SOCK_STREAM, 0)); }, EPERM},
    {"Connect", [] { return static_cast<long>(::connect(0, nullptr, 0)); }, EPERM},
    {"Bind", [] { return static_cast<long>(::bind(0, nullptr, 0)); }, EPERM},
    {"Exec", [] { return static_cast<long>(::execl("/bin/true", "true", nullptr)); }, EPERM},
    {"Fork", [] { return ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0L); }, EPERM},
    {"Clone3", [] { return ::syscall(SYS_clone3, nullptr, 0); }, ENOSYS},
    {"Kill", [] { return static_cast<long>(::kill(::getppid(), 0)); }, EPERM},
    {"SignalToAnotherProcess", [] { return ::syscall(SYS_tgkill, ::getppid(), ::getppid(), 0); },
     EPERM},
    {"SignalToItself", [] { return ::syscall(SYS_tgkill, ::getpid(), ::gettid(), 0); }, 0},
    {"Trace", [] { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }, EPERM},
    {"Memory",
     [] { return ::syscall(SYS_process_vm_readv, ::getppid(), nullptr, 0, nullptr, 0, 0); }, EPERM},
    {"Unlink", [] { return static_cast<long>(::unlink("/nowhere")); }, EPERM},
    {"Mount", [] { return ::syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr); }, EPERM},
    {"Chroot", [] { return static_cast<long>(::chroot("/")); }, EPERM},
    {"Module", [] { return ::syscall(SYS_init_module, nullptr, 0, nullptr); }, EPERM},
    {"Bpf", [] { return ::syscall(SYS_bpf, 0, nullptr, 0); }, EPERM},
    {"IoUring", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }, EPERM},
    {"Privileges", [] { return static_cast<long>(::setuid(0)); }, EPERM},
    {"Prctl", [] { return static_cast<long>(::prctl(PR_SET_DUMPABLE, 1)); }, EPERM},
    {"ExecutableMemory",
     [] {
         void* const at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         return at == MAP_FAILED ? -1L : 0L;
     },
     EPERM},
    {"PlainMemory",
     [] {
         void* const at =
             ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         return at == MAP_FAILED ? -1L : 0L;
     },
     0},
    {"KeysOfATerminal",
     [] {
         char key = 'x';
         return static_cast<long>(::ioctl(0, TIOCSTI, &key));
     },
     EPERM},
};

class Seccomp : public testing::TestWithParam<Attempt> {};
TEST_P(Seccomp, LetsThroughWhatAWorkerNeeds) {
    EXPECT_EQ(inside([] { return confine_calls().has_value(); }, GetParam().call),
              GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(Of, Seccomp, testing::ValuesIn(kAttempts),
                         [](const auto& attempt) { return std::string(attempt.param.name); });

// The one way to start a thread that a filter can judge.
TEST(Seccomp, ThreadsCanStillBeMade) {
    EXPECT_EQ(inside([] { return confine_calls().has_value(); },
                     [] {
                         pthread_t thread{};
                         errno = ::pthread_create(
                             &thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
                         if (errno != 0) return -1L;
                         return -static_cast<long>(::pthread_join(thread, nullptr));
                     }),
              0);
}

TEST(Sandbox, OffIsOff) {
    const auto report = enter_sandbox(SandboxMode::off, -1, Symlinks::inside);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->text(), "landlock=none seccomp=none");
    EXPECT_EQ(report->missing, "");
}

// Without the promise not to gain privileges, neither wall can be had by a process that is not
// root: auto says what is missing, on refuses.
TEST(Sandbox, OnRefusesWhereTheKernelDoes) {
    const auto lock_in = [](SandboxMode mode) {
        const UniqueFd nothing;
        return enter_sandbox(mode, nothing.get(), Symlinks::inside);
    };
    const pid_t child = ::fork();
    if (child == 0) {
        // No root to allow.
        const auto on = lock_in(SandboxMode::on);
        ::_exit(!on && !on.error().empty() ? 0 : 1);
    }
    EXPECT_EQ(test::await_child(child), 0);
}

} // namespace
} // namespace fsrv
