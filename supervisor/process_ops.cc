#include "supervisor/process_ops.h"

#include "common/log.h"
#include "supervisor/environment.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace fsrv {
namespace {

struct SignalRow {
    int number;
    SignalReaction reaction;
    InWorker in_worker;
};

constexpr SignalRow kSignals[] = {
#define FSRV_SIGNAL(name, reaction, in_worker, meaning, worker_meaning)                            \
    {SIG##name, SignalReaction::reaction, InWorker::in_worker},
#include "supervisor/signals.def"
#undef FSRV_SIGNAL
};

sigset_t table_mask() {
    sigset_t mask;
    sigemptyset(&mask);
    for (const SignalRow& row : kSignals) sigaddset(&mask, row.number);
    return mask;
}

// The mask opens last, so that a signal to the whole group that arrives in between meets the new
// disposition.
void prepare_child_signals() {
    for (const SignalRow& row : kSignals)
        std::signal(row.number, row.in_worker == InWorker::ignored ? SIG_IGN : SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
}

// What was typed, or piped, to whoever started the server is not for those who speak to strangers.
void give_null_as_input() {
    const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (null) dup2(null.get(), STDIN_FILENO);
}

// `fds` become 3, 4, ... and are open after exec(). Two steps, since they may be in each other's
// place.
bool renumber(std::span<const int> fds) {
    std::vector<int> copies;
    const int beyond = 3 + static_cast<int>(fds.size());
    for (const int fd : fds) copies.push_back(fcntl(fd, F_DUPFD_CLOEXEC, beyond));
    for (std::size_t i = 0; i < copies.size(); ++i)
        if (copies[i] < 0 || dup2(copies[i], 3 + static_cast<int>(i)) < 0) return false;
    return true;
}

} // namespace

SignalReaction reaction_to(int signal) {
    if (signal == kHangup) return SignalReaction::hang_up;
    for (const SignalRow& row : kSignals)
        if (row.number == signal) return row.reaction;
    return SignalReaction::none;
}

void hold_signals() {
    sigset_t mask = table_mask();
    sigdelset(&mask, SIGINT);
    sigprocmask(SIG_SETMASK, &mask, nullptr);
}

void release_signals() {
    const sigset_t mask = table_mask();
    sigprocmask(SIG_UNBLOCK, &mask, nullptr);
}

bool ExitStatus::exited_with(int status) const {
    return WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == status;
}

bool ExitStatus::by_signal() const {
    return WIFSIGNALED(wait_status);
}

std::string ExitStatus::text() const {
    if (WIFEXITED(wait_status))
        return fmt::format("exited with status {}", WEXITSTATUS(wait_status));
    const int number = WTERMSIG(wait_status);
    const char* core = WCOREDUMP(wait_status) ? " (core dumped)" : "";
    if (const char* name = sigabbrev_np(number))
        return fmt::format("was killed by SIG{}{}", name, core);
    return fmt::format("was killed by signal {}{}", number, core);
}

SystemProcessOps::SystemProcessOps(const Terminal& terminal) : terminal_(terminal) {
    const sigset_t mask = table_mask();
    sigprocmask(SIG_BLOCK, &mask, nullptr);
    signals_.reset(signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!signals_) fatal("no signals can be heard: signalfd4: {}", errno_text(errno));
}

SystemProcessOps::~SystemProcessOps() {
    release_signals();
}

Result<pid_t, Errno> SystemProcessOps::spawn(UniqueFd control, const Child& child) {
    const pid_t pid = fork();
    if (pid < 0) return unexpected(Errno::last());
    if (pid > 0) return pid;
    signals_.reset();
    prepare_child_signals();
    give_null_as_input();
    _exit(child(std::move(control)));
}

Result<pid_t, Errno> SystemProcessOps::start(const Program& program) {
    const std::vector<char*> arguments = pointers_to(program.arguments);
    const std::vector<char*> environment = pointers_to(program.environment);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) return unexpected(Errno::last());
    if (pid > 0) return pid;
    if (terminal_.ignores_hangup()) std::signal(SIGHUP, SIG_IGN); // as it was for us
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent) {
        if (program.before && !program.before()) _exit(127);
        if (renumber(program.fds))
            execve(program.path.c_str(), arguments.data(), environment.data());
    }
    program.on_failure(Errno::last());
    _exit(127);
}

// "ON-CPU-NS WAITED-NS TIMES". One small file; it has no more to be trusted than the scoreboard,
// and is the kernel's own word.
std::optional<std::uint64_t> SystemProcessOps::wanted_cpu_ns(pid_t pid) {
    const UniqueFd fd(open(fmt::format("/proc/{}/schedstat", pid).c_str(), O_RDONLY | O_CLOEXEC));
    char text[64];
    const ssize_t size = fd ? read(fd.get(), text, sizeof text) : -1;
    std::uint64_t on_cpu = 0, waited = 0;
    const char* const end = text + std::max<ssize_t>(size, 0);
    const auto first = std::from_chars(text, end, on_cpu);
    if (size > 0 && first.ec == std::errc{} && first.ptr != end) {
        const auto second = std::from_chars(first.ptr + 1, end, waited);
        if (second.ec == std::errc{}) return on_cpu + waited;
    }
    clockid_t clock{};
    timespec used{};
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return std::nullopt;
    return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(used.tv_nsec);
}

void SystemProcessOps::kill(pid_t pid, int signal) {
    if (::kill(pid, signal) != 0)
        log_warn("kill {} with signal {}: {}", pid, signal, errno_text(errno));
}

std::optional<EndedProcess> SystemProcessOps::reap() {
    int status = 0;
    pid_t pid = -1;
    do pid = waitpid(-1, &status, WNOHANG);
    while (pid < 0 && errno == EINTR);
    if (pid <= 0) return std::nullopt;
    return EndedProcess{.pid = pid, .status = {.wait_status = status}};
}

int SystemProcessOps::next_signal() {
    signalfd_siginfo info{};
    const ssize_t size = read(signals_.get(), &info, sizeof info);
    if (size != static_cast<ssize_t>(sizeof info)) return 0;
    const auto number = static_cast<int>(info.ssi_signo);
    if (number != SIGHUP) return number;
    switch (terminal_.meaning_of(
        {.from_kernel = info.ssi_code == SI_KERNEL, .sender = static_cast<pid_t>(info.ssi_pid)})) {
    case Terminal::Meaning::reload: return SIGHUP;
    case Terminal::Meaning::end: return kHangup;
    case Terminal::Meaning::nothing: return 0;
    }
    return 0;
}

void SystemProcessOps::wait(std::span<pollfd> fds, std::uint64_t until_ms) {
    std::vector<pollfd> all(fds.begin(), fds.end());
    all.push_back({.fd = signals_.get(), .events = POLLIN, .revents = 0});
    int timeout = -1;
    if (until_ms != kNever) {
        const std::uint64_t now = now_ms();
        timeout = until_ms <= now
                      ? 0
                      : static_cast<int>(std::min<std::uint64_t>(until_ms - now, 1'000'000));
    }
    if (poll(all.data(), all.size(), timeout) < 0)
        for (pollfd& entry : all) entry.revents = 0;
    std::copy_n(all.begin(), fds.size(), fds.begin());
}

} // namespace fsrv
