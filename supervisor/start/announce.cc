#include "supervisor/start/announce.h"

#include "common/heritage.h"
#include "common/join.h"
#include "common/log.h"

#include <cerrno>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

namespace fsrv {

std::string start_line(const Announcement& a) {
    std::string root;
    append_escaped(root, a.root);
    const std::string count = a.ready == a.workers ? fmt::format("{}", a.workers)
                                                   : fmt::format("{} of {}", a.ready, a.workers);
    return fmt::format("fsrv {} serves {} at {} with {} worker{} (pid {})", FSRV_VERSION, root,
                       join(a.urls, " "), count, a.workers == 1 ? "" : "s", a.pid);
}

void print_for_person(std::string line) {
    line += '\n';
    pollfd out{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
    const int room = poll(&out, 1, 0);
    // Where poll itself is denied, the line is worth a try.
    if (room == 0 || (room > 0 && (out.revents & POLLOUT) == 0)) return;
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

void print_failure(std::string_view why) {
    print_for_person(fmt::format("{}fsrv: {}", journal_prefix(LogLevel::error), printable(why)));
}

int print_output(std::string_view text) {
    while (!text.empty()) {
        const ssize_t size = write(STDOUT_FILENO, text.data(), text.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EPIPE) return kExitOk;
        if (size <= 0) {
            print_failure(fmt::format("cannot write to standard output: {}", errno_text(errno)));
            return kExitFailure;
        }
        text.remove_prefix(static_cast<std::size_t>(size));
    }
    return kExitOk;
}

} // namespace fsrv
