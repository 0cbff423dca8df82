// In children, since each test spoils the process it runs in.

#include "supervisor/start/start_state.h"

#include "supervisor/process_ops.h"
#include "tests/support/await.h"

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <set>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fsrv {
namespace {

// The exit status of `body` in a child; -1 when it did not come to that.
int in_child(const std::function<int()>& body) {
    const pid_t pid = fork();
    if (pid == 0) _exit(body());
    const auto status = test::await_child(pid);
    return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
}

bool is_dev_null(int fd) {
    struct stat here {
    }, null{};
    return fstat(fd, &here) == 0 && stat("/dev/null", &null) == 0 && here.st_rdev == null.st_rdev &&
           S_ISCHR(here.st_mode);
}

TEST(StartState, ClosedStandardDescriptorsBecomeDevNull) {
    for (unsigned closed = 0; closed < 8; ++closed) { // every set of the three
        const int status = in_child([&] {
            for (int fd = 3; fd < 64; ++fd) close(fd);
            for (int fd = 0; fd < 3; ++fd)
                if ((closed & (1U << fd)) != 0) close(fd);
            open_standard_fds();
            for (int fd = 0; fd < 3; ++fd)
                if ((closed & (1U << fd)) != 0 && !is_dev_null(fd)) return 1 + fd;
            return open("/", O_RDONLY) == 3 ? 0 : 10; // the first one of ours comes after them
        });
        EXPECT_EQ(status, 0) << "closed: " << closed;
    }
}

TEST(StartState, WhatIsOpenStaysAsItIs) {
    EXPECT_EQ(in_child([] {
                  int ends[2];
                  if (pipe(ends) != 0) return 1;
                  dup2(ends[1], 2);
                  open_standard_fds();
                  struct stat st {};
                  return fstat(2, &st) == 0 && S_ISFIFO(st.st_mode) ? 0 : 2;
              }),
              0);
}

TEST(StartState, InheritedDescriptorsAreClosed) {
    EXPECT_EQ(in_child([] {
                  for (int i = 0; i < 1000; ++i)
                      if (open("/dev/null", O_RDONLY) < 0) break;
                  const int far = fcntl(0, F_DUPFD, 900);
                  if (far < 0) return 1;
                  clean_start_state();
                  for (int fd = 0; fd < 3; ++fd)
                      if (fcntl(fd, F_GETFD) < 0) return 2;
                  for (int fd = 3; fd < 2000; ++fd)
                      if (fcntl(fd, F_GETFD) >= 0) return 3;
                  return 0;
              }),
              0);
}

TEST(StartState, SignalsThatWereIgnoredOrBlockedAreNotButThoseOfTheTableWait) {
    EXPECT_EQ(in_child([] {
                  for (int number = 1; number < NSIG; ++number) std::signal(number, SIG_IGN);
                  sigset_t all;
                  sigfillset(&all);
                  sigprocmask(SIG_SETMASK, &all, nullptr);
                  clean_start_state();
                  for (int number = 1; number < NSIG; ++number) {
                      struct sigaction action {};
                      if (sigaction(number, nullptr, &action) != 0) continue;
                      const bool ignored = number == SIGPIPE || number == SIGXFSZ;
                      if (action.sa_handler != (ignored ? SIG_IGN : SIG_DFL)) return number;
                  }
                  sigset_t now;
                  sigprocmask(SIG_SETMASK, nullptr, &now);
                  for (int number = 1; number < NSIG; ++number) {
                      const bool waits =
                          reaction_to(number) != SignalReaction::none && number != SIGINT;
                      if ((sigismember(&now, number) == 1) != waits) return 100 + number;
                  }
                  release_signals();
                  sigprocmask(SIG_SETMASK, nullptr, &now);
                  return sigisemptyset(&now) == 1 ? 0 : 200;
              }),
              0);
}

TEST(StartState, ChildrenCanBeWaitedForWhateverTheParentLeft) {
    EXPECT_EQ(in_child([] {
                  std::signal(SIGCHLD, SIG_IGN);
                  clean_start_state();
                  const pid_t child = fork();
                  if (child == 0) _exit(7);
                  int status = 0;
                  return waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7 ? 0 : 1;
              }),
              0);
}

TEST(StartState, UmaskAndLimitAreSet) {
    EXPECT_EQ(in_child([] {
                  umask(0);
                  rlimit limit{};
                  getrlimit(RLIMIT_NOFILE, &limit);
                  limit.rlim_cur = 64;
                  setrlimit(RLIMIT_NOFILE, &limit);
                  clean_start_state();
                  getrlimit(RLIMIT_NOFILE, &limit);
                  if (limit.rlim_cur != limit.rlim_max) return 1;
                  return umask(0) == 0027 ? 0 : 2;
              }),
              0);
}

// --- what a worker starts with

TEST(ProcessOps, AWorkerStartsWithTheSignalsOfTheTable) {
    SystemProcessOps ops(Terminal(false));
    const auto pid = ops.spawn(UniqueFd(), [](UniqueFd) {
        sigset_t mask;
        sigprocmask(SIG_SETMASK, nullptr, &mask);
        for (int number = 1; number < NSIG; ++number)
            if (sigismember(&mask, number) == 1) return 100;
        for (const int number : {SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU}) {
            struct sigaction action {};
            sigaction(number, nullptr, &action);
            if (action.sa_handler != SIG_IGN) return number;
        }
        for (const int number : {SIGTERM, SIGCHLD}) {
            struct sigaction action {};
            sigaction(number, nullptr, &action);
            if (action.sa_handler != SIG_DFL) return number;
        }
        return 0;
    });
    ASSERT_TRUE(pid);
    std::optional<EndedProcess> ended;
    ASSERT_TRUE(test::await([&] { return (ended = ops.reap()).has_value(); }));
    EXPECT_EQ(ended->pid, *pid);
    EXPECT_TRUE(ended->status.clean()) << ended->status.text();
}

TEST(ProcessOps, SignalsOfTheTableArriveOneByOneAndAwakenTheSleeper) {
    SystemProcessOps ops(Terminal(false));
    EXPECT_EQ(ops.next_signal(), 0);
    for (const int number :
         {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGCHLD}) {
        EXPECT_NE(reaction_to(number), SignalReaction::none);
        ASSERT_EQ(raise(number), 0);
        ops.wait({}, kNever); // comes back
        EXPECT_EQ(ops.next_signal(), number);
    }
    EXPECT_EQ(ops.next_signal(), 0);
    raise(SIGTERM);
    raise(SIGUSR1);
    EXPECT_EQ((std::set{ops.next_signal(), ops.next_signal()}), (std::set<int>{SIGTERM, SIGUSR1}));
}

TEST(ProcessOps, ADescriptorAwakensTheSleeper) {
    SystemProcessOps ops(Terminal(false));
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const UniqueFd reader(ends[0]), writer(ends[1]);
    pollfd entry{.fd = reader.get(), .events = POLLIN, .revents = 0};
    ops.wait({&entry, 1}, ops.now_ms()); // a time that has come does not sleep
    EXPECT_EQ(entry.revents, 0);
    ASSERT_EQ(write(writer.get(), "x", 1), 1);
    ops.wait({&entry, 1}, kNever);
    EXPECT_EQ(entry.revents, POLLIN);
}

TEST(ProcessOps, AnEndIsToldInWords) {
    const std::pair<int, const char*> table[] = {
        {0, "exited with status 0"},
        {1 << 8, "exited with status 1"},
        {SIGKILL, "was killed by SIGKILL"},
        {SIGSEGV, "was killed by SIGSEGV"},
        {SIGSEGV | 0x80, "was killed by SIGSEGV (core dumped)"},
        {60, "was killed by signal 60"},
    };
    for (const auto& [status, text] : table)
        EXPECT_EQ(ExitStatus{.wait_status = status}.text(), text);
}

} // namespace
} // namespace fsrv
