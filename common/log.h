// The daemon's own log (not the access log): one write() a line to stderr, never blocking, safe in supervisor and workers.
//
//   fsrv[1234]: warn: slot=2 worker 1301 was killed by SIGSEGV after 12.3 s
//
// Foreign bytes (names, header values, anything a client or a file's owner chose) may be passed as they are: the sink
// escapes control characters and non-UTF-8 bytes as \xHH, here and nowhere else. A line is cut at 4096 bytes, the size
// that a pipe takes in one piece. When stderr cannot take a line at once it is dropped and counted, and the count is
// reported with the next line that goes through. Thread: any (a line is built on the caller's stack).
#pragma once

#include <fmt/format.h>
#include <string>
#include <string_view>

namespace fsrv {

enum class LogLevel { error, warn, info, debug };

// Call once, first thing in main: finds out what stderr is and, when it is a pipe or a terminal, opens it anew without
// blocking, so that nobody else's descriptor changes its mode. With JOURNAL_STREAM naming stderr, lines get <3>-style prefixes.
void log_init();
void log_set_level(LogLevel level);
bool log_enabled(LogLevel level);
void log_line(LogLevel level, std::string_view text);

// For the access log and tests: control characters, quotes, backslashes and bytes that are no valid UTF-8 as \xHH.
void append_escaped(std::string& out, std::string_view bytes);

template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
    log_line(LogLevel::error, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) {
    log_line(LogLevel::warn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
    if (log_enabled(LogLevel::info)) log_line(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
    if (log_enabled(LogLevel::debug)) log_line(LogLevel::debug, fmt::format(format, std::forward<Args>(args)...));
}

// "No such file or directory (ENOENT)".
std::string errno_text(int code);

} // namespace fsrv
