// The daemon's own log (not the access log): one write() a line to stderr, never blocking, safe in
// supervisor and workers.
//
//   fsrv[1234]: warn: slot=2 worker 1301 was killed by SIGSEGV after 12.3 s
//
// Foreign bytes (names, header values, anything a client or a file's owner chose) may be passed as
// they are: the sink escapes control characters and non-UTF-8 bytes as \xHH, here and nowhere else.
// A line is cut at 4096 bytes, the size that a pipe takes in one piece. When stderr cannot take a
// line at once it is dropped and counted, and the count is reported with the next line that goes
// through. Thread: any (a line is built on the caller's stack).
#pragma once

#include "common/escape.h"

#include <fmt/format.h>
#include <string>
#include <string_view>

namespace fsrv {

enum class LogLevel { error, warn, info, debug };

// Call once, first thing in main, with descriptor 2 open: finds out what stderr is and ignores
// SIGPIPE. A pipe or a terminal is opened anew without blocking and takes the place of descriptor
// 2, so that nobody else's descriptor changes its mode. With JOURNAL_STREAM naming stderr, lines
// get <3>-style prefixes.
void log_init();
void log_set_level(LogLevel level);
bool log_enabled(LogLevel level);
// What a line of that level begins with for the journal, "<3>"; empty where somebody else reads.
std::string_view journal_prefix(LogLevel level);
void log_line(LogLevel level, std::string_view text);

// Ends the process at once, without destructors; see fatal().
[[noreturn]] void exit_with_failure();

template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
    log_line(LogLevel::error, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) {
    if (log_enabled(LogLevel::warn))
        log_line(LogLevel::warn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
    if (log_enabled(LogLevel::info))
        log_line(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
    if (log_enabled(LogLevel::debug))
        log_line(LogLevel::debug, fmt::format(format, std::forward<Args>(args)...));
}

// The system does not give what the program cannot start without: logs it and exits with
// kExitFailure. Only at start.
template <class... Args>
[[noreturn]] void fatal(fmt::format_string<Args...> format, Args&&... args) {
    log_error(format, std::forward<Args>(args)...);
    exit_with_failure();
}

// "No such file or directory (ENOENT)".
std::string errno_text(int code);

} // namespace fsrv
