#include "worker/loop/terminate_signal.h"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <sys/eventfd.h>
#include <unistd.h>

namespace fsrv::loop {
namespace {

volatile int g_event_fd = -1;
volatile unsigned g_alarm_seconds = 0;

void on_terminate(int) {
    const int saved = errno;
    const std::uint64_t one = 1;
    ::alarm(g_alarm_seconds);
    [[maybe_unused]] const ssize_t n = ::write(g_event_fd, &one, sizeof one);
    errno = saved;
}

} // namespace

bool catch_terminate_signal(unsigned grace_seconds) {
    g_event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (g_event_fd < 0) return false;
    g_alarm_seconds = grace_seconds;
    struct sigaction action {};
    action.sa_handler = on_terminate;
    action.sa_flags = SA_RESTART;
    return ::sigaction(SIGTERM, &action, nullptr) == 0;
}

int terminate_event_fd() {
    return g_event_fd;
}

} // namespace fsrv::loop
