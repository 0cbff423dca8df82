// What the supervisor does to the world of processes, and what it hears from it: the only place
// with fork, kill and waitpid. Narrow, so that tests put a world of their own in its place.
#pragma once

#include "common/clock.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "supervisor/terminal.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <poll.h>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

namespace fsrv {

inline constexpr std::uint64_t kNever = ~std::uint64_t{0};

// The terminal is gone. No signal has this number.
inline constexpr int kHangup = -1;

enum class SignalReaction {
    none,
    hang_up,
    stop,
    stop_unhurried,
    reopen_log,
    reload,
    upgrade,
    more,
    less,
    reap
};
enum class InWorker { ignored, worker_decides };

// From signals.def; `none` for a signal that is not in it.
SignalReaction reaction_to(int signal);

// The signals of the table wait from now on, and all others are open: a start that is asked to
// reload or to stop does so when it can. Only INT ends it at once, for a person who does not want
// to wait for a look-up of names.
void hold_signals();
void release_signals(); // for who is not going to be a server

// How a process ended, out of the status of waitpid().
struct ExitStatus {
    int wait_status = 0;

    bool exited_with(int status) const;
    bool by_signal() const;
    bool clean() const { return exited_with(0); }
    std::string text() const; // "was killed by SIGSEGV (core dumped)", "exited with status 1"
};

struct EndedProcess {
    pid_t pid = 0;
    ExitStatus status;
};

// Another program, to be started in a process of its own.
struct Program {
    std::string path;
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::vector<int> fds; // it gets these, as 3, 4, ...
    // In the child, which then becomes the program. False: it shall not.
    std::function<bool()> before = {};
    // In the child, when it cannot be started.
    std::function<void(Errno error)> on_failure = {};
};

class ProcessOps {
  public:
    using Child = std::function<int(UniqueFd control)>;

    virtual ~ProcessOps() = default;

    virtual std::uint64_t now_ms() = 0; // CLOCK_MONOTONIC

    // A child process that runs `child` and ends with the status it returns. It starts with the
    // signals of the table as their column says, everything else at its default, and an empty mask.
    // `control` is the child's end of its channel; here it is closed.
    virtual Result<pid_t, Errno> spawn(UniqueFd control, const Child& child) = 0;

    // A child process that becomes that program, and that is killed when we die before it says
    // otherwise (PR_SET_PDEATHSIG).
    virtual Result<pid_t, Errno> start(const Program& program) = 0;

    // The time that the main thread of a child, not reaped yet, was on a CPU or waited for one.
    // Where the kernel keeps no such account: that all of its threads were on one. None: it tells
    // neither.
    virtual std::optional<std::uint64_t> wanted_cpu_ns(pid_t pid) = 0;

    // Only for a child that was not reaped yet, so that the number cannot be a stranger's.
    virtual void kill(pid_t pid, int signal) = 0;

    // One child that has ended, if any; ours or (as process 1) an orphan.
    virtual std::optional<EndedProcess> reap() = 0;

    // One signal out of the table that has arrived; 0: none, or none that means anything. A SIGHUP
    // is a request: that of a terminal which hangs up is told as kHangup.
    virtual int next_signal() = 0;

    // Sleeps until one of `fds` is ready (revents say which), a signal waits, or it is `until_ms`.
    virtual void wait(std::span<pollfd> fds, std::uint64_t until_ms) = 0;
};

// The real world. While it lives, the signals of the table are blocked and read from a signalfd:
// nothing runs in a handler, and none is lost between looking and sleeping.
class SystemProcessOps final : public ProcessOps {
  public:
    explicit SystemProcessOps(const Terminal& terminal);
    ~SystemProcessOps() override;
    SystemProcessOps(const SystemProcessOps&) = delete;
    SystemProcessOps& operator=(const SystemProcessOps&) = delete;

    std::uint64_t now_ms() override { return monotonic_ms(); }
    Result<pid_t, Errno> spawn(UniqueFd control, const Child& child) override;
    Result<pid_t, Errno> start(const Program& program) override;
    std::optional<std::uint64_t> wanted_cpu_ns(pid_t pid) override;
    void kill(pid_t pid, int signal) override;
    std::optional<EndedProcess> reap() override;
    int next_signal() override;
    void wait(std::span<pollfd> fds, std::uint64_t until_ms) override;

  private:
    Terminal terminal_;
    UniqueFd signals_;
};

} // namespace fsrv
