// Everything that somebody who took a worker over could try, as sandbox_verdicts.def has it: inside
// both walls, against what its neighbours and its supervisor hold as well.
#include "common/unique_fd.h"
#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/worker/start/sandbox_inside.h"
#include "worker/start/sandbox.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/futex.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <set>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

#ifndef MADV_SOFT_OFFLINE // the C library shows it to nobody
#define MADV_SOFT_OFFLINE 101
#endif
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

namespace fsrv::test {
namespace {

constexpr std::size_t kPage = 4096;

// libc's own, looked up before anybody is locked in: those of a sanitizer make calls of theirs.
template <class Function>
Function* of_libc(const char* name) {
    void* const libc = ::dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    return reinterpret_cast<Function*>(::dlsym(libc, name));
}
const auto create_thread = of_libc<decltype(::pthread_create)>("pthread_create");
const auto join_thread = of_libc<decltype(::pthread_join)>("pthread_join");
[[gnu::no_sanitize_address]] void* nothing(void*) {
    return nullptr;
}

// What a worker has from its supervisor, who is the test itself, and ways to call for it.
struct Shared {
    static constexpr socklen_t kAddressSize = sizeof(sockaddr_in);
    static constexpr int kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM |
                                   CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS |
                                   CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

    TempDir root, outside;
    std::string path; // of a file beneath the root
    int priority = ::getpriority(PRIO_PROCESS, 0);
    int root_fd = -1;
    int listener = -1; // TCP, non-blocking
    int unix_listener = -1;
    int unconnected = -1;   // a TCP socket such as a worker cannot make
    int client = -1;        // accepted
    int log = -1;           // appended to
    int file = -1;          // beneath the root, to be read
    int pipe = -1;          // of a log
    int control = -1;       // of the channel to the supervisor
    int figures = -1;       // sealed memory
    char* memory = nullptr; // mapped from it before the seal, to be written
    char* sealed = nullptr; // and after it, to be read
    mutable int pair[2] = {-1, -1};
    mutable std::array<char, kPage> room{};
    std::vector<UniqueFd> owned;

    Shared();
    ~Shared();
    std::array<int, 2> listeners() const { return {listener, unix_listener}; }
    void expect_unharmed() const;

    int keep(int fd) {
        EXPECT_GE(fd, 0) << std::strerror(errno);
        owned.emplace_back(fd);
        return fd;
    }
    char* bytes() const { return room.data(); }
    iovec part() const { return {.iov_base = room.data(), .iov_len = 1}; }
    const sockaddr* elsewhere() const { // port 9 of this machine
        static sockaddr_in address;
        address.sin_family = AF_INET;
        address.sin_port = htons(9);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return reinterpret_cast<const sockaddr*>(&address);
    }
    static const sockaddr* nowhere() {
        static const sockaddr_in address{
            .sin_family = AF_UNSPEC, .sin_port = 0, .sin_addr = {}, .sin_zero = {}};
        return reinterpret_cast<const sockaddr*>(&address);
    }

    long look(int fd) const {
        struct stat found {};
        return ::syscall(SYS_fstat, fd, &found);
    }
    long look_up(const char* name) const {
        struct stat found {};
        return ::fstatat(AT_FDCWD, name, &found, 0);
    }
    long look_at_system_of(int fd) const {
        struct statfs found {};
        return ::fstatfs(fd, &found);
    }
    long send_message(int fd, int flags) const {
        iovec one = part();
        msghdr message{};
        message.msg_iov = &one;
        message.msg_iovlen = 1;
        return ::sendmsg(fd, &message, flags);
    }
    long receive_message(int fd) const {
        iovec one = part();
        msghdr message{};
        message.msg_iov = &one;
        message.msg_iovlen = 1;
        return ::recvmsg(fd, &message, MSG_DONTWAIT);
    }
    long wait_for(int set) const {
        epoll_event event{};
        return ::epoll_wait(set, &event, 1, 0);
    }
    long watch(int fd) const {
        epoll_event event{.events = EPOLLIN, .data = {}};
        return ::epoll_ctl(::epoll_create1(0), EPOLL_CTL_ADD, fd, &event);
    }
    long lend_to(int fd) const {
        const iovec one = part();
        return ::vmsplice(fd, &one, 1, 0);
    }
    long read_at(int fd) const {
        const iovec one = part();
        return ::preadv(fd, &one, 1, 0);
    }
    long write_parts(int fd) const {
        ::signal(SIGPIPE, SIG_IGN);
        const iovec one = part();
        return ::writev(fd, &one, 1);
    }
    long read_parts(int fd) const {
        const iovec one = part();
        return ::readv(fd, &one, 1);
    }
    long poll_for(int fd) const {
        pollfd one{.fd = fd, .events = POLLIN, .revents = 0};
        return ::poll(&one, 1, 0);
    }
    long cached(int fd) const {
        std::array<std::uint64_t, 2> range{};
        return ::syscall(SYS_cachestat, fd, range.data(), bytes(), 0);
    }
    long linger(int fd) const {
        const struct linger wanted { .l_onoff = 1, .l_linger = 600 };
        return ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &wanted, sizeof wanted);
    }
    long set(int fd, int level, int name) const {
        const int value = 1;
        return ::setsockopt(fd, level, name, &value, sizeof value);
    }
    long get(int fd, int level, int name) const {
        auto size = static_cast<socklen_t>(room.size());
        return ::getsockopt(fd, level, name, bytes(), &size);
    }
    long name_of(int fd) const {
        auto size = static_cast<socklen_t>(room.size());
        return ::getsockname(fd, reinterpret_cast<sockaddr*>(bytes()), &size);
    }
    long peer_of(int fd) const {
        auto size = static_cast<socklen_t>(room.size());
        return ::getpeername(fd, reinterpret_cast<sockaddr*>(bytes()), &size);
    }
    long own_by_user(int fd) const {
        const f_owner_ex owner{.type = F_OWNER_PID, .pid = ::getppid()};
        return ::fcntl(fd, F_SETOWN_EX, &owner);
    }
    long lock(int fd) const {
        struct flock whole {};
        whole.l_type = F_WRLCK;
        return ::fcntl(fd, F_SETLK, &whole);
    }
    long control_by(int fd, unsigned long request) const {
        int value = 0;
        return ::ioctl(fd, request, &value);
    }
    long open_at(int flags) const {
        return ::syscall(SYS_openat, root_fd, (flags & O_TMPFILE) == O_TMPFILE ? "." : "f", flags,
                         0600);
    }
    long open_at2(int flags) const {
        open_how how{};
        how.flags = static_cast<std::uint64_t>(flags);
        const bool makes = (flags & O_TMPFILE) == O_TMPFILE;
        if (makes) how.mode = 0600;
        return ::syscall(SYS_openat2, root_fd, makes ? "." : "f", &how, sizeof how);
    }
    long open_of_parent(const char* name) const {
        return ::open(fmt::format("/proc/{}/{}", ::getppid(), name).c_str(), O_RDONLY);
    }
    long link_of_parent(const char* name) const {
        return ::readlinkat(AT_FDCWD, fmt::format("/proc/{}/{}", ::getppid(), name).c_str(),
                            bytes(), 64);
    }
    long advise(int advice) const { return ::madvise(memory, kPage, advice); }
    long map(int protection, int flags, int fd) const {
        return ::mmap(nullptr, kPage, protection, flags, fd, 0) == MAP_FAILED ? -1 : 0;
    }
    long grow() const {
        return ::mremap(memory, kPage, 2 * kPage, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0;
    }
    long make_thread() const {
        pthread_t thread{};
        errno = create_thread(&thread, nullptr, &nothing, nullptr);
        return errno != 0 ? -1 : -static_cast<long>(join_thread(thread, nullptr));
    }
    long cores_of(pid_t pid) const {
        cpu_set_t cores;
        return ::sched_getaffinity(pid, sizeof cores, &cores);
    }
    long limit(pid_t pid) const {
        const rlimit none{};
        return ::syscall(SYS_prlimit64, pid, RLIMIT_CPU, &none, nullptr);
    }
    long limits_of(pid_t pid) const {
        rlimit found{};
        return ::syscall(SYS_prlimit64, pid, RLIMIT_CPU, nullptr, &found);
    }
};

Shared::Shared() {
    path = root / "f";
    write_file(path, "bytes");
    root_fd = keep(::open(root.str().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    file = keep(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    log = keep(::open((outside / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));

    listener = keep(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener, any, size), 0);
    EXPECT_EQ(::listen(listener, 16), 0);
    EXPECT_EQ(::getsockname(listener, any, &size), 0);
    const int other_end = keep(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(other_end, any, size), 0);
    client = keep(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    unconnected = keep(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

    unix_listener = keep(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    (outside.str() + "/s").copy(name.sun_path, sizeof name.sun_path - 1);
    EXPECT_EQ(::bind(unix_listener, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    EXPECT_EQ(::listen(unix_listener, 16), 0);

    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    keep(ends[0]);
    pipe = keep(ends[1]);
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    keep(ends[0]);
    control = keep(ends[1]);

    figures = keep(::memfd_create("figures", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(::ftruncate(figures, 2 * kPage), 0);
    memory =
        static_cast<char*>(::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, figures, 0));
    EXPECT_EQ(::fcntl(figures, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE), 0);
    sealed = static_cast<char*>(::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, figures, kPage));
    memory[0] = 'm';
}

Shared::~Shared() {
    ::munmap(memory, kPage);
    ::munmap(sealed, kPage);
}

void Shared::expect_unharmed() const {
    for (const int fd : listeners()) {
        int listens = 0;
        socklen_t size = sizeof listens;
        EXPECT_EQ(::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size), 0);
        EXPECT_EQ(listens, 1);
        struct linger found {};
        size = sizeof found;
        EXPECT_EQ(::getsockopt(fd, SOL_SOCKET, SO_LINGER, &found, &size), 0);
        EXPECT_EQ(found.l_onoff, 0);
        EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        EXPECT_EQ(::fcntl(fd, F_GETFL) & O_ASYNC, 0);
        EXPECT_EQ(::fcntl(fd, F_GETOWN), 0);
    }
    EXPECT_NE(::fcntl(log, F_GETFL) & O_APPEND, 0);
    EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), priority);
    rlimit cpu{};
    EXPECT_EQ(::getrlimit(RLIMIT_CPU, &cpu), 0);
    EXPECT_EQ(cpu.rlim_cur, RLIM_INFINITY);
    EXPECT_EQ(read_file(path), "bytes");
    EXPECT_EQ(memory[0], 'm');
    // Both still take a client.
    std::array<char, sizeof(sockaddr_un)> address{};
    for (const int fd : listeners()) {
        auto size = static_cast<socklen_t>(address.size());
        auto* name = reinterpret_cast<sockaddr*>(address.data());
        EXPECT_EQ(::getsockname(fd, name, &size), 0);
        const UniqueFd other_end(::socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::connect(other_end.get(), name, size), 0) << std::strerror(errno);
        EXPECT_TRUE(UniqueFd(::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)));
    }
}

struct Verdict {
    const char* call;
    const char* name;
    int error;
    long (*attempt)(const Shared& it); // null: harmless whatever the arguments
};
void PrintTo(const Verdict& verdict, std::ostream* out) {
    *out << verdict.call << ' ' << verdict.name;
}

const std::vector<Verdict>& verdicts() {
    static const std::vector<Verdict> all{
#define FSRV_VERDICT(call, name, error, why, ...)                                                  \
    {#call, #name, error, []([[maybe_unused]] const Shared& it) -> long { return __VA_ARGS__; }},
#define FSRV_HARMLESS(call, why) {#call, "", 0, nullptr},
#include "tests/worker/start/sandbox_verdicts.def"
#undef FSRV_VERDICT
#undef FSRV_HARMLESS
    };
    return all;
}

std::vector<Verdict> attempts() {
    std::vector<Verdict> all = verdicts();
    std::erase_if(all, [](const Verdict& one) { return one.attempt == nullptr; });
    return all;
}

struct AllowedCall {
    const char* name;
    long number;
    bool conditional;
};
const AllowedCall kAllowed[] = {
#define FSRV_CALL(name) {#name, SYS_##name, false},
#define FSRV_CALL_IF(name, ...) {#name, SYS_##name, true},
#define FSRV_REFUSE_IF(name, error, ...) {#name, SYS_##name, true},
#include "worker/start/sandbox_calls.def"
#undef FSRV_CALL
#undef FSRV_CALL_IF
#undef FSRV_REFUSE_IF
};

// By the walls themselves: enter_sandbox() leaves them away in a build with a sanitizer.
bool lock_in(const Shared& it) {
    const auto listeners = it.listeners();
    return confine_files(it.root_fd, Symlinks::inside) &&
           confine_calls({.listeners = listeners, .control = it.control});
}

bool can_be_locked_in() {
    return ::syscall(SYS_landlock_create_ruleset, nullptr, std::size_t{0},
                     LANDLOCK_CREATE_RULESET_VERSION) >= 1;
}

class TakenOver : public testing::TestWithParam<Verdict> {};
TEST_P(TakenOver, GetsWhatTheTableSays) {
    if (!can_be_locked_in()) GTEST_SKIP() << "this kernel has no Landlock";
    const Shared it;
    EXPECT_EQ(inside([&] { return lock_in(it); }, [&] { return GetParam().attempt(it); }),
              GetParam().error);
    it.expect_unharmed();
}
INSTANTIATE_TEST_SUITE_P(Worker, TakenOver, testing::ValuesIn(attempts()), [](const auto& verdict) {
    return fmt::format("{}_{}", verdict.param.call, verdict.param.name);
});

// A call that is added to the list is looked at; one that is allowed by argument shows a refusal.
TEST(SandboxCalls, EachHasAVerdict) {
    for (const AllowedCall& call : kAllowed) {
        const auto of_it = [&](const Verdict& one) {
            return std::string_view(one.call) == call.name;
        };
        const auto& all = verdicts();
        EXPECT_TRUE(std::any_of(all.begin(), all.end(), of_it)) << call.name;
        EXPECT_TRUE(!call.conditional ||
                    std::any_of(all.begin(), all.end(),
                                [&](const Verdict& one) { return of_it(one) && one.error != 0; }))
            << call.name << " is refused nothing";
    }
}

// Of every number that is not in the list, in one process: none of them does anything.
TEST(SandboxCalls, AllOthersAreRefused) {
    if (!can_be_locked_in()) GTEST_SKIP() << "this kernel has no Landlock";
    const Shared it;
    // Numbers of the kernel's own trampolines, which no filter sees; from anywhere else they kill.
    constexpr long kUretprobe = 335, kUprobe = 336;
    std::set<long> allowed{SYS_clone3, kUretprobe, kUprobe};
    for (const AllowedCall& call : kAllowed) allowed.insert(call.number);
    constexpr long kLast = 600;
    for (const long base : {0L, 0x40000000L}) { // and those of the x32 ABI
        EXPECT_EQ(inside([&] { return lock_in(it); },
                         [&]() -> long {
                             for (long number = 0; number < kLast; ++number) {
                                 if (base == 0 && allowed.contains(number)) continue;
                                 if (::syscall(base + number, -1, 0, 0, 0, 0, 0) != -1 ||
                                     errno != EPERM) {
                                     std::fprintf(stderr, "call %ld: errno %d\n", base + number,
                                                  errno);
                                     errno = ENOTRECOVERABLE;
                                     return -1;
                                 }
                             }
                             return 0;
                         }),
                  0);
    }
    it.expect_unharmed();
}

// Whose rights are lent to threads, and nobody else's.
TEST(SandboxCalls, OfIdsOnlyThoseOfAccountsCanBeHad) {
    const std::vector<Account> accounts{{.name = "a", .uid = 1'001, .gid = 2'001, .groups = {}},
                                        {.name = "b", .uid = 70'000, .gid = 2'002, .groups = {}}};
    const auto verdict = [&](long call, unsigned long id) {
        return inside(
            [&] { return confine_calls({.listeners = {}, .accounts = accounts}).has_value(); },
            [&]() -> long { return ::syscall(call, id) < 0 ? -1 : 0; });
    };
    for (const unsigned long id : {1'001UL, 70'000UL, static_cast<unsigned long>(::geteuid())})
        EXPECT_EQ(verdict(SYS_setfsuid, id), 0) << id;
    for (const unsigned long id : {1'000UL, 1'002UL, 2'001UL, 69'999UL, 70'001UL})
        EXPECT_EQ(verdict(SYS_setfsuid, id), EPERM) << id;
    for (const unsigned long id : {2'001UL, 2'002UL}) EXPECT_EQ(verdict(SYS_setfsgid, id), 0) << id;
    for (const unsigned long id : {1'001UL, 2'003UL})
        EXPECT_EQ(verdict(SYS_setfsgid, id), EPERM) << id;
    for (const long call : {SYS_setuid, SYS_setresuid, SYS_setreuid, SYS_setgid, SYS_setresgid})
        EXPECT_EQ(verdict(call, 1'001), EPERM) << call;
}

#if defined(__x86_64__)
// A 32-bit call has other numbers: whoever makes one is killed.
TEST(SandboxCalls, OldDoorKills) {
    if (!can_be_locked_in()) GTEST_SKIP() << "this kernel has no Landlock";
    const Shared it;
    const pid_t child = ::fork();
    if (child == 0) {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (!lock_in(it)) ::_exit(kNoWall);
        long number = 20; // getpid
        asm volatile("int $0x80" : "+a"(number) : : "memory");
        ::_exit(0);
    }
    const auto status = await_child(child);
    ASSERT_TRUE(status);
    EXPECT_TRUE(WIFSIGNALED(*status)) << *status;
}
#endif

} // namespace
} // namespace fsrv::test
