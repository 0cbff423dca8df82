#include "common/log.h"

#include "common/heritage.h"
#include "common/unique_fd.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fsrv {
namespace {

constexpr int kStderr = STDERR_FILENO;
// PIPE_BUF: such a line goes whole or not at all, however many processes write.
constexpr std::size_t kMaxLine = 4096;
constexpr std::string_view kCutMark = " [cut]";

enum class Kind { file, socket, non_blocking, may_block };

struct LevelName {
    std::string_view text;
    std::string_view journal; // see sd-daemon(3)
};
constexpr std::array<LevelName, 4> kLevels{{
    {"error", "<3>"},
    {"warn", "<4>"},
    {"info", "<6>"},
    {"debug", "<7>"},
}};

// The sink. All but the two atomics is written by log_init() only, before there is a thread.
Kind g_kind = Kind::file;
bool g_journal = false;
std::atomic<LogLevel> g_level{LogLevel::info};
std::atomic<std::uint64_t> g_lost{0};

// A new file description of the same pipe or terminal, non-blocking, in the place of descriptor 2.
// Impossible for a pipe without a reader, for another user's terminal and without /proc.
bool reopen_without_blocking() {
    const UniqueFd fd(
        open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    return fd && dup2(fd.get(), kStderr) == kStderr;
}

Kind kind_of_stderr(mode_t mode) {
    if (S_ISSOCK(mode)) return Kind::socket;
    if (!S_ISFIFO(mode) && isatty(kStderr) != 1) return Kind::file;
    return reopen_without_blocking() ? Kind::non_blocking : Kind::may_block;
}

bool is_journal(const struct stat& st) {
    const char* stream = std::getenv("JOURNAL_STREAM");
    return stream != nullptr && fmt::format("{}:{}", st.st_dev, st.st_ino) == stream;
}

// POLLOUT of a pipe promises PIPE_BUF bytes of room.
bool would_block() {
    pollfd p{.fd = kStderr, .events = POLLOUT, .revents = 0};
    return poll(&p, 1, 0) == 0; // where poll itself is denied, the line is worth a try
}

bool put(std::string_view line) {
    if (g_kind == Kind::may_block && would_block()) return false;
    ssize_t n = -1;
    do {
        n = g_kind == Kind::socket
                ? send(kStderr, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                : write(kStderr, line.data(), line.size());
    } while (n < 0 && errno == EINTR);
    // What a terminal or a full disk took in part is gone: repeating it would garble the next line.
    return n > 0;
}

std::string make_line(LogLevel level, std::string_view text) {
    std::string line = fmt::format("{}fsrv[{}]: {}: ", journal_prefix(level), getpid(),
                                   kLevels[static_cast<std::size_t>(level)].text);
    append_printable(line, text, {.bytes = kMaxLine - line.size() - 1, .mark = kCutMark});
    line += '\n';
    return line;
}

} // namespace

void log_init() {
    std::signal(SIGPIPE, SIG_IGN);
    struct stat st {};
    if (fstat(kStderr, &st) != 0) return;
    g_journal = is_journal(st);
    g_kind = kind_of_stderr(st.st_mode);
}

void log_set_level(LogLevel level) {
    g_level.store(level, std::memory_order_relaxed);
}

std::string_view journal_prefix(LogLevel level) {
    return g_journal ? kLevels[static_cast<std::size_t>(level)].journal : std::string_view();
}

bool log_enabled(LogLevel level) {
    return level <= g_level.load(std::memory_order_relaxed);
}

void log_line(LogLevel level, std::string_view text) {
    if (!log_enabled(level)) return;
    const int saved_errno = errno;
    const std::uint64_t lost = g_lost.exchange(0, std::memory_order_relaxed);
    const bool through =
        lost == 0 || put(make_line(LogLevel::warn, fmt::format("{} log lines were lost", lost)));
    const std::uint64_t still_lost = through ? 0 : lost;
    const std::uint64_t newly_lost = through && put(make_line(level, text)) ? 0 : 1;
    g_lost.fetch_add(still_lost + newly_lost, std::memory_order_relaxed);
    errno = saved_errno;
}

void exit_with_failure() {
    _exit(kExitFailure);
}

std::string errno_text(int code) {
    const char* name = strerrorname_np(code);
    std::array<char, 128> buffer{};
    return fmt::format("{} ({})", strerror_r(code, buffer.data(), buffer.size()),
                       name != nullptr ? std::string(name) : std::to_string(code));
}

} // namespace fsrv
