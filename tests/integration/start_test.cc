// The surroundings that a start meets: variables of others, calls that are denied.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <csignal>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <sys/resource.h>

namespace fsrv::test {
namespace {

enum class Ends { never, with_a_word };

// A call that a sandbox of others denies from the first instruction on.
struct Denied {
    const char* call;
    Ends ends = Ends::never;
    const char* warning = ""; // "": nothing is lost, or not by us
};
void PrintTo(const Denied& denied, std::ostream* out) {
    *out << denied.call;
}

const Denied kDenied[] = {
#define FSRV_NEEDED_CALL(name, arguments) {#name, Ends::with_a_word},
#define FSRV_NEEDED_UNLESS_MISSING(name, arguments) {#name, Ends::with_a_word},
#define FSRV_USEFUL_CALL(name, arguments, lost) {#name, Ends::never, lost},
#include "supervisor/start/start_calls.def"
#undef FSRV_NEEDED_CALL
#undef FSRV_NEEDED_UNLESS_MISSING
#undef FSRV_USEFUL_CALL
    {"capget", Ends::with_a_word},
    {"capset", Ends::with_a_word}, // of a worker that is root
    {"chdir", Ends::never, "chdir to /"},
    {"close_range"},
    {"faccessat2"},
    {"fadvise64"},
    {"fchmod", Ends::with_a_word}, // of the pid file
    {"fchownat"},
    {"getcwd"},
    {"geteuid"},
    {"getrlimit"},
    {"getsid"},
    {"getuid"},
    {"landlock_add_rule"},
    {"landlock_create_ruleset"},
    {"landlock_restrict_self"},
    {"lseek"},
    {"madvise"},
    {"munmap"},
    {"prlimit64"},
    {"prlimit64,getrlimit"},
    {"prlimit64,setrlimit", Ends::never, "prlimit64"},
    {"rseq"},
    {"sched_getaffinity"},
    {"seccomp"},
    {"sendfile"},
    {"set_robust_list"},
    {"setpriority"},
    {"splice"},
    {"vmsplice"},
};

// Without these no program gets as far as its main function, or there is no file to be served:
// nobody denies them.
const std::set<std::string> kOfEveryProgram = {
    "access",          "arch_prctl",   "brk",         "close",           "dup2",
    "execve",          "exit",         "exit_group",  "fstat",           "futex",
    "getdents64",      "getegid",      "getgid",      "gettid",          "mmap",
    "mprotect",        "newfstatat",   "openat",      "pread64",         "read",
    "restart_syscall", "rt_sigreturn", "sched_yield", "set_tid_address", "tgkill",
    "write",           "writev",
};
// What the look-up of files asks for; tests/worker has its own.
const std::set<std::string> kOfFiles = {"openat2", "statx", "preadv2", "readlinkat"};

class StartUnderStrace : public testing::Test {
  protected:
    void SetUp() override {
        if (!have_program("strace")) GTEST_SKIP() << "strace is not installed";
        if (!use_plain_binary())
            GTEST_SKIP() << "FSRV_PLAIN_BINARY names no build without a sanitizer";
        write_pattern(root_ / "t.bin", 1000);
    }
    // All that a start can open and bind.
    std::vector<std::string> arguments() const {
        return {"--workers",  "1",
                "--pid-file", files_ / "fsrv.pid",
                "--control",  files_ / "control.sock",
                "--unix",     files_ / "unix.sock",
                "--admin",    "127.0.0.1:0"};
    }
    std::vector<std::string> strace(const std::string& calls, const std::string& error) const {
        std::vector<std::string> words{"strace", "-f", "-qq", "-o", files_ / "strace"};
        if (error.empty()) return words;
        words.insert(words.end(),
                     {"-e", "trace=" + calls, "-e", "inject=" + calls + ":error=" + error});
        return words;
    }
    // A limit that is to be raised.
    static void few_files() {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = std::min<rlim_t>(512, limit.rlim_max / 2);
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    TempDir root_, files_;
};

class DeniedCalls : public StartUnderStrace, public testing::WithParamInterface<Denied> {};
TEST_P(DeniedCalls, AreDoneWithoutOrNamed) {
    const Denied& denied = GetParam();
    for (const std::string error : {"EPERM", "ENOSYS"}) {
        SCOPED_TRACE(error);
        const bool missing_is_fine = denied.call == std::string("clone3") && error == "ENOSYS";
        if (denied.ends == Ends::with_a_word && !missing_is_fine) {
            std::vector<std::string> command = strace(denied.call, error);
            command.insert(command.end(), {fsrv_binary(), "--host", "127.0.0.1", "--port", "0"});
            for (const std::string& argument : arguments()) command.push_back(argument);
            command.push_back(root_.str());
            const RunResult result = run(command);
            EXPECT_TRUE(result.exit_status == 1 || result.exit_status == 2)
                << "signal " << result.signal << "\n"
                << result.err;
            EXPECT_NE(result.err.find(denied.call), std::string::npos) << result.err;
            EXPECT_NE(result.err.find(error), std::string::npos) << result.err;
            EXPECT_EQ(result.err.find("broken invariant"), std::string::npos) << result.err;
            EXPECT_EQ(result.err.find(" serves "), std::string::npos) << result.err;
            continue;
        }
        Server server(root_.path(), {.args = arguments(),
                                     .wrapper = strace(denied.call, error),
                                     .before_exec = few_files,
                                     .trouble = {"the system refuses", "chdir to /"}});
        ASSERT_TRUE(server.started());
        EXPECT_TRUE(is_pattern(fetch(server.port(), "/t.bin").body, 0, 1000));
        EXPECT_NE(server.log().text().find(denied.warning), std::string::npos)
            << server.log().text();
    }
}
std::string name_of(const testing::TestParamInfo<Denied>& denied) {
    std::string name = denied.param.call;
    std::replace(name.begin(), name.end(), ',', '_');
    return name;
}
INSTANTIATE_TEST_SUITE_P(Of, DeniedCalls, testing::ValuesIn(kDenied), name_of);

// With prlimit64 denied there was one connection for each worker.
TEST_F(StartUnderStrace, TheLimitOfOpenFilesIsKnownWithoutPrlimit64) {
    Server server(root_.path(), {.args = {"--workers", "1"},
                                 .wrapper = strace("prlimit64,getrlimit", "EPERM"),
                                 .before_exec = few_files,
                                 .trouble = {"the system refuses"}});
    ASSERT_TRUE(server.started());
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(std::make_unique<RawClient>(server.port()));
        EXPECT_EQ(clients.back()->ask(get("/t.bin")).status, 200) << i;
    }
}

// A call that a change adds to the start is to have a verdict, too.
TEST_F(StartUnderStrace, TheTablesHaveEveryCallOfAStart) {
    {
        Server server(root_.path(), {.args = arguments(), .wrapper = strace("", "")});
        ASSERT_TRUE(server.started());
        EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    }
    std::set<std::string> known = kOfEveryProgram;
    known.insert(kOfFiles.begin(), kOfFiles.end());
    for (const Denied& denied : kDenied) known.insert(denied.call);
    std::set<std::string> unknown;
    std::istringstream lines(read_file(files_ / "strace"));
    for (std::string line; std::getline(lines, line);) { // "1234 openat(AT_FDCWD, ..."
        const std::size_t begin = line.find_first_not_of("0123456789 ");
        const std::size_t end = line.find('(');
        if (begin == std::string::npos || end == std::string::npos || begin >= end) continue;
        const std::string name = line.substr(begin, end - begin);
        const bool is_call = std::all_of(name.begin(), name.end(), [](unsigned char c) {
            return std::isalnum(c) != 0 || c == '_';
        });
        if (is_call && !known.contains(name)) unknown.insert(name);
    }
    EXPECT_TRUE(unknown.empty()) << testing::PrintToString(unknown);
}

// As the shell of any pod has them beside a Service called fsrv.
TEST(Start, BesideAServiceOfItsNameItServesAndSaysSoOnce) {
    const TempDir root;
    write_pattern(root / "t.bin", 1000);
    Server server(
        root.path(),
        {.args = {"--workers", "2", "--port", "0"},
         .environment = {"FSRV_SERVICE_HOST=10.0.0.1", "FSRV_SERVICE_PORT=8080",
                         "FSRV_PORT=tcp://10.0.0.1:8080", "FSRV_PORT_8080_TCP=tcp://10.0.0.1:8080",
                         "FSRV_PORT_8080_TCP_PROTO=tcp", "FSRV_VERSION=0.1.0", "FSRV_THREADS=2"},
         .trouble = {"passed over"}});
    ASSERT_TRUE(server.started());
    EXPECT_TRUE(is_pattern(fetch(server.port(), "/t.bin").body, 0, 1000));
    server.signal(SIGHUP);
    EXPECT_TRUE(server.log().await_line("reloaded"));
    EXPECT_EQ(server.log().count("FSRV_PORT_8080_TCP_PROTO passed over"), 1U)
        << server.log().text();
    EXPECT_EQ(server.log().count("FSRV_VERSION passed over"), 1U) << server.log().text();
}

} // namespace
} // namespace fsrv::test
