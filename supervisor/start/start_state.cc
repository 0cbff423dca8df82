#include "supervisor/start/start_state.h"

#include "common/open_files.h"
#include "supervisor/process_ops.h"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace fsrv {
namespace {

[[noreturn]] void give_up(std::string_view text) {
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
    _exit(1);
}

// exec() resets handlers, so what an ancestor can leave behind is "ignored". Handlers that are
// there belong to this image: the sanitizers'.
void reset_dispositions() {
    for (int number = 1; number < NSIG; ++number) {
        struct sigaction action {};
        if (sigaction(number, nullptr, &action) != 0 || action.sa_handler != SIG_IGN) continue;
        std::signal(number, SIG_DFL);
    }
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
}

} // namespace

void open_standard_fds() {
    for (int fd = 0; fd <= 2; ++fd) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        // The lowest free number is `fd`, since those below are open.
        if (open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd)
            give_up("fsrv: cannot open /dev/null for a closed standard descriptor\n");
    }
}

void close_from(int first) {
    if (close_range(static_cast<unsigned>(first), ~0U, 0) == 0) return;
    // A kernel before 5.9, or a filter that does not know the call.
    const int end = static_cast<int>(std::min<std::size_t>(open_files_limit().hard, 1 << 16));
    for (int fd = first; fd < end; ++fd) close(fd);
}

StartState clean_start_state(int first_to_close) {
    close_from(first_to_close);
    struct sigaction hangup {};
    const StartState before{.ignored_hangup = sigaction(SIGHUP, nullptr, &hangup) == 0 &&
                                              hangup.sa_handler == SIG_IGN};
    reset_dispositions();
    hold_signals();
    umask(0027);
    raise_open_files_limit();
    return before;
}

} // namespace fsrv
