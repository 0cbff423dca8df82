// The seccomp filter, made from sandbox_calls.def. Calls that are allowed whatever their arguments
// are decided by their number alone, so a kernel from 5.11 on answers them out of a bitmap, without
// running the filter.
#include "common/log.h"
#include "worker/start/sandbox.h"
#include "worker/wire/page_lender.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <fmt/format.h>
#include <initializer_list>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
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

// What the C library makes a thread with. A process of its own, or other namespaces, lack some of
// it or have more.
constexpr int kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND |
                        CLONE_THREAD | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

using Numbers = std::vector<std::uint32_t>;

// Of one argument. Filters compute with 32 bits.
struct Condition {
    enum class Kind { masked, masked_pointer, one_of, never };
    Kind kind{};
    unsigned argument = 0;
    std::uint32_t mask = 0;
    std::uint32_t value = 0;
    Numbers numbers = {}; // of `one_of`: sorted
};

template <class Value>
Condition is(unsigned argument, Value value) {
    return {.argument = argument, .mask = ~0U, .value = static_cast<std::uint32_t>(value)};
}
Condition only(unsigned argument, int bits) {
    return {.argument = argument, .mask = ~static_cast<std::uint32_t>(bits)};
}
Condition without(unsigned argument, int bits) {
    return {.argument = argument, .mask = static_cast<std::uint32_t>(bits)};
}
Condition null(unsigned argument) {
    return {.kind = Condition::Kind::masked_pointer, .argument = argument, .mask = ~0U};
}
Condition one_of(unsigned argument, Numbers numbers) {
    std::sort(numbers.begin(), numbers.end());
    return {.kind = Condition::Kind::one_of, .argument = argument, .numbers = std::move(numbers)};
}

struct Row {
    long number;
    int error = 0; // 0: allowed
    std::vector<Condition> conditions;
};

constexpr int kLoad = BPF_LD | BPF_W | BPF_ABS;
constexpr int kIfEqual = BPF_JMP | BPF_JEQ | BPF_K;
constexpr int kIfAtLeast = BPF_JMP | BPF_JGE | BPF_K;
constexpr int kIfAbove = BPF_JMP | BPF_JGT | BPF_K;
constexpr int kReturn = BPF_RET | BPF_K;

using Code = std::vector<sock_filter>;

sock_filter statement(int code, std::uint32_t k) {
    return BPF_STMT(static_cast<std::uint16_t>(code), k);
}

sock_filter jump(int code, std::uint32_t k, unsigned if_true, unsigned if_false) {
    return BPF_JUMP(static_cast<std::uint16_t>(code), k, static_cast<std::uint8_t>(if_true),
                    static_cast<std::uint8_t>(if_false));
}

std::uint32_t outcome(int error) {
    return error == 0 ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
}

void append(Code& code, const Code& more) {
    code.insert(code.end(), more.begin(), more.end());
}

// Both machines are little-endian: the lower half comes first.
sock_filter load(unsigned argument, bool upper_half = false) {
    return statement(kLoad, static_cast<std::uint32_t>(offsetof(seccomp_data, args) +
                                                       argument * sizeof(std::uint64_t) +
                                                       (upper_half ? sizeof(std::uint32_t) : 0)));
}

constexpr std::size_t kFarthestJump = 255; // of one that asks for something

Code skip(std::size_t instructions) {
    return {statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(instructions))};
}

// Goes on behind itself if the number is equal, else `otherwise` instructions further.
Code expect(std::uint32_t number, std::size_t otherwise) {
    if (otherwise <= kFarthestJump)
        return {jump(kIfEqual, number, 0, static_cast<unsigned>(otherwise))};
    Code code{jump(kIfEqual, number, 1, 0)};
    append(code, skip(otherwise));
    return code;
}

// Numbers that follow each other, as descriptors do that are opened together, are looked at as one.
Code is_one_of(const Numbers& numbers, std::size_t otherwise) {
    Code code = skip(otherwise);
    for (std::size_t end = numbers.size(); end > 0;) {
        std::size_t first = end - 1;
        while (first > 0 && numbers[first - 1] + 1 >= numbers[first]) --first;
        Code range{jump(kIfAtLeast, numbers[first], 0, 2), jump(kIfAbove, numbers[end - 1], 1, 0)};
        append(range, skip(code.size()));
        append(range, code);
        code = std::move(range);
        end = first;
    }
    return code;
}

// As expect(). Backwards, since each step has to know how far the end is.
Code condition_of(const Condition& condition, std::size_t otherwise) {
    if (condition.kind == Condition::Kind::never) return skip(otherwise);
    if (condition.kind == Condition::Kind::one_of) {
        Code code{load(condition.argument)};
        append(code, is_one_of(condition.numbers, otherwise));
        return code;
    }
    Code code;
    for (const bool upper_half : {true, false}) {
        if (upper_half && condition.kind != Condition::Kind::masked_pointer) continue;
        Code half{load(condition.argument, upper_half)};
        if (condition.mask != ~0U)
            half.push_back(statement(BPF_ALU | BPF_AND | BPF_K, condition.mask));
        append(half, expect(condition.value, code.size() + otherwise));
        append(half, code);
        code = std::move(half);
    }
    return code;
}

Code code_of(const Row& row) {
    Code code{statement(kReturn, outcome(row.error))};
    for (auto one = row.conditions.rbegin(); one != row.conditions.rend(); ++one) {
        Code before = condition_of(*one, code.size());
        append(before, code);
        code = std::move(before);
    }
    return code;
}

// What no row allows is refused here: the number is no other call's.
Code rows_of_call(const std::vector<Row>& rows, std::size_t first) {
    Code code;
    for (std::size_t i = first; i < rows.size(); ++i)
        if (rows[i].number == rows[first].number) append(code, code_of(rows[i]));
    if (!rows[first].conditions.empty()) code.push_back(statement(kReturn, outcome(EPERM)));
    return code;
}

Code make_filter(const std::vector<Row>& rows) {
    Code code{statement(kLoad, offsetof(seccomp_data, arch)), jump(kIfEqual, kMachine, 1, 0),
              statement(kReturn, SECCOMP_RET_KILL_PROCESS),
              statement(kLoad, offsetof(seccomp_data, nr))};
    std::vector<long> done;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (std::find(done.begin(), done.end(), rows[i].number) != done.end()) continue;
        done.push_back(rows[i].number);
        const Code call = rows_of_call(rows, i);
        append(code, expect(static_cast<std::uint32_t>(rows[i].number), call.size()));
        append(code, call);
    }
    code.push_back(jump(kIfEqual, SYS_clone3, 0, 1));
    code.push_back(statement(kReturn, outcome(ENOSYS)));
    code.push_back(statement(kReturn, outcome(EPERM)));
    return code;
}

std::vector<Row> table(const SharedFds& shared) {
    const int control = shared.control;
    const pid_t own_pid = ::getpid();
    const auto a_listener = [&](unsigned argument) {
        return one_of(argument, {shared.listeners.begin(), shared.listeners.end()});
    };
    const bool lends_rights = !shared.accounts.empty();
    const auto an_account = [&](unsigned argument) {
        Numbers ids;
        for (const Account& account : shared.accounts) ids.push_back(account.uid);
        if (lends_rights) ids.push_back(::geteuid());
        return one_of(argument, std::move(ids));
    };
    const auto an_accounts_group = [&](unsigned argument) {
        Numbers ids;
        for (const Account& account : shared.accounts) ids.push_back(account.gid);
        if (lends_rights) ids.push_back(::getegid());
        return one_of(argument, std::move(ids));
    };
    const auto there_are_accounts = [&] {
        return lends_rights ? only(0, ~0) : Condition{.kind = Condition::Kind::never};
    };
    return {
#define FSRV_CALL(name) {.number = SYS_##name, .conditions = {}},
#define FSRV_CALL_IF(name, ...) {.number = SYS_##name, .conditions = {__VA_ARGS__}},
#define FSRV_REFUSE_IF(name, error_, ...)                                                          \
    {.number = SYS_##name, .error = error_, .conditions = {__VA_ARGS__}},
#include "worker/start/sandbox_calls.def"
#undef FSRV_CALL
#undef FSRV_CALL_IF
#undef FSRV_REFUSE_IF
    };
}

} // namespace

Result<void, std::string> confine_calls(const SharedFds& shared) {
    if (kMachine == 0)
        return unexpected(std::string("there is no list of system calls for this machine"));
    Code code = make_filter(table(shared));
    if (code.size() > BPF_MAXINSNS)
        return unexpected(
            std::string("the listening sockets or accounts are too many, and too scattered"));
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
