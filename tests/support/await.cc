#include "tests/support/await.h"

#include "common/unique_fd.h"
#include "tests/support/process.h"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fsrv::test {

int Deadline::poll_ms() const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Clock::now());
    return static_cast<int>(std::max<long long>(left.count(), 0));
}

bool await_fd(int fd, short events, const Deadline& deadline) {
    for (;;) {
        pollfd entry{.fd = fd, .events = events, .revents = 0};
        const int ready = ::poll(&entry, 1, deadline.poll_ms());
        if (ready > 0) return true;
        if (ready == 0) return false;
        if (errno != EINTR) return false;
    }
}

bool await(const std::function<bool()>& condition, const Deadline& deadline) {
    while (!condition()) {
        if (deadline.over()) return false;
        ::poll(nullptr, 0, 2);
    }
    return true;
}

static UniqueFd open_pidfd(pid_t pid) {
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

std::optional<int> await_child(pid_t pid, const Deadline& deadline) {
    const UniqueFd handle = open_pidfd(pid);
    if (handle && !await_fd(handle.get(), POLLIN, deadline)) return std::nullopt;
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid) return std::nullopt;
    return status;
}

bool await_gone(pid_t pid, const Deadline& deadline) {
    const UniqueFd handle = open_pidfd(pid);
    if (!handle) return errno == ESRCH;
    return await_fd(handle.get(), POLLIN, deadline);
}

} // namespace fsrv::test
