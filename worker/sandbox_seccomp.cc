// The seccomp filter, made from sandbox_calls.def. Calls that are allowed whatever their arguments
// are decided by their number alone, so a kernel from 5.11 on answers them out of a bitmap, without
// running the filter.
#include "common/log.h"
#include "worker/sandbox.h"

#include <cerrno>
#include <cstddef>
#include <fmt/format.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

namespace fsrv {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kMachine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kMachine = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t kMachine = 0;
#endif

// One call; `mask` 0: whatever its arguments.
struct Call {
    long number;
    unsigned argument = 0;
    std::uint32_t mask = 0;
    std::uint32_t value = 0;
};

sock_filter statement(int code, std::uint32_t k) {
    return BPF_STMT(static_cast<std::uint16_t>(code), k);
}

sock_filter jump(int code, std::uint32_t k, unsigned if_true, unsigned if_false) {
    return BPF_JUMP(static_cast<std::uint16_t>(code), k, static_cast<std::uint8_t>(if_true),
                    static_cast<std::uint8_t>(if_false));
}

std::uint32_t refuse_with(int error) {
    return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
}

std::vector<sock_filter> make_filter(const std::vector<Call>& calls) {
    constexpr int kLoad = BPF_LD | BPF_W | BPF_ABS;
    constexpr int kIfEqual = BPF_JMP | BPF_JEQ | BPF_K;
    constexpr int kReturn = BPF_RET | BPF_K;
    std::vector<sock_filter> code{
        statement(kLoad, offsetof(seccomp_data, arch)), jump(kIfEqual, kMachine, 1, 0),
        statement(kReturn, SECCOMP_RET_KILL_PROCESS), statement(kLoad, offsetof(seccomp_data, nr))};
    for (const Call& call : calls) {
        const auto number = static_cast<std::uint32_t>(call.number);
        if (call.mask == 0) {
            code.push_back(jump(kIfEqual, number, 0, 1));
            code.push_back(statement(kReturn, SECCOMP_RET_ALLOW));
            continue;
        }
        // The lower half of the argument: both machines are little-endian.
        const auto argument = static_cast<std::uint32_t>(offsetof(seccomp_data, args) +
                                                         call.argument * sizeof(std::uint64_t));
        code.push_back(jump(kIfEqual, number, 0, 5));
        code.push_back(statement(kLoad, argument));
        code.push_back(statement(BPF_ALU | BPF_AND | BPF_K, call.mask));
        code.push_back(jump(kIfEqual, call.value, 0, 1));
        code.push_back(statement(kReturn, SECCOMP_RET_ALLOW));
        code.push_back(statement(kLoad, offsetof(seccomp_data, nr))); // another row may allow it
    }
    code.push_back(jump(kIfEqual, SYS_clone3, 0, 1));
    code.push_back(statement(kReturn, refuse_with(ENOSYS)));
    code.push_back(statement(kReturn, refuse_with(EPERM)));
    return code;
}

} // namespace

Result<void, std::string> confine_calls() {
    if (kMachine == 0)
        return unexpected(std::string("there is no list of system calls for this machine"));
    const auto own_pid = static_cast<std::uint32_t>(::getpid());
    const std::vector<Call> calls{
#define FSRV_CALL(name) {.number = SYS_##name},
#define FSRV_CALL_IF(name, which, bits, wanted)                                                    \
    {.number = SYS_##name, .argument = which, .mask = bits, .value = wanted},
#include "worker/sandbox_calls.def"
#undef FSRV_CALL
#undef FSRV_CALL_IF
    };
    std::vector<sock_filter> code = make_filter(calls);
    const sock_fprog program{.len = static_cast<unsigned short>(code.size()),
                             .filter = code.data()};
    // The flag keeps kernels before 5.16 from slowing the process down for Spectre's sake; prctl()
    // is the older door, which service managers leave open.
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) ==
            0 ||
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
        return {};
    return unexpected(fmt::format("the kernel does not take the filter ({})", errno_text(errno)));
}

} // namespace fsrv
