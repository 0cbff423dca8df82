#include "supervisor/start/start_calls.h"

#include "common/log.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Newer machines have only the newer form, which the C library then uses.
#ifndef SYS_poll
#define SYS_poll SYS_ppoll
#endif
#ifndef SYS_epoll_wait
#define SYS_epoll_wait SYS_epoll_pwait
#endif
#ifndef SYS_alarm
#define SYS_alarm SYS_getitimer
#endif
#ifndef SYS_readlink
#define SYS_readlink SYS_readlinkat
#endif
#ifndef SYS_rename
#define SYS_rename SYS_renameat2
#endif
#ifndef SYS_unlink
#define SYS_unlink SYS_unlinkat
#endif

namespace fsrv {
namespace {

enum class Need { always, unless_missing, useful };

struct Call {
    const char* name;
    Need need;
    std::string_view lost;
    int (*refusal)(); // errno of the sandbox; 0: the call is there
};

// The caller's own mistakes, which all of the table are, are told by other numbers.
int refusal_of(long result) {
    if (result != -1) return 0;
    return errno == EPERM || errno == EACCES || errno == ENOSYS ? errno : 0;
}

#define FSRV_EXPAND(...) __VA_ARGS__
#define FSRV_PASTE(number, ...) number __VA_OPT__(, ) __VA_ARGS__
#define FSRV_TRY(name, arguments)                                                                  \
    [] { return refusal_of(syscall(FSRV_PASTE(SYS_##name, FSRV_EXPAND arguments))); }

constexpr Call kCalls[] = {
#define FSRV_NEEDED_CALL(name, arguments) {#name, Need::always, "", FSRV_TRY(name, arguments)},
#define FSRV_NEEDED_UNLESS_MISSING(name, arguments)                                                \
    {#name, Need::unless_missing, "", FSRV_TRY(name, arguments)},
#define FSRV_USEFUL_CALL(name, arguments, lost)                                                    \
    {#name, Need::useful, lost, FSRV_TRY(name, arguments)},
#include "supervisor/start/start_calls.def"
#undef FSRV_NEEDED_CALL
#undef FSRV_NEEDED_UNLESS_MISSING
#undef FSRV_USEFUL_CALL
};

} // namespace

Result<void, StartError> check_calls() {
    for (const Call& call : kCalls) {
        const int refusal = call.refusal();
        if (refusal == 0 || (call.need == Need::unless_missing && refusal == ENOSYS)) continue;
        const std::string what =
            fmt::format("the system refuses the call {}: {}", call.name, errno_text(refusal));
        if (call.need == Need::useful) {
            log_warn("{}; going on without it: {}", what, call.lost);
            continue;
        }
        return unexpected(StartError{
            .exit_status = kExitFailure,
            .message = fmt::format(
                "{}; there is no serving without it: allow it in the sandbox that this server "
                "runs in (seccomp profile of the container, SystemCallFilter= of the unit)",
                what),
            .error = refusal});
    }
    return {};
}

} // namespace fsrv
