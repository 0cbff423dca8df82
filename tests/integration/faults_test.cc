// Every system call that fsrv lives on is made to fail (faults.def): the first one, the second, the
// third, some in a row, now and then. Each request then has an answer that is right, an honest
// error, or an end; never a wrong byte and never silence; and afterwards all is well.
//
// With FSRV_FAULT_SWEEP=N in the environment: every single one up to the N-th.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <sstream>

namespace fsrv::test {
namespace {

constexpr std::uint64_t kSize = 700'000;   // three chunks
constexpr std::uint64_t kMiddle = 100'000; // kept in memory, and lent
constexpr std::uint64_t kHuge = 4 << 20;

enum class Io { automatic, threads, inline_ };

struct Fault {
    std::string name;
    const char* calls;
    Io io = Io::automatic;
    const char* errors;
};
void PrintTo(const Fault& fault, std::ostream* out) {
    *out << fault.calls;
}
std::string name_of(const testing::TestParamInfo<Fault>& info) {
    return info.param.name;
}

const Fault kFaults[] = {
#define FSRV_FAULT(name, calls, io, errors) {#name, calls, Io::io, errors},
#define FSRV_START_FAULT(name, calls, errors)
#define FSRV_SUPERVISOR_FAULT(name, calls, errors)
#include "tests/integration/faults.def"
#undef FSRV_FAULT
#undef FSRV_START_FAULT
};
const Fault kStartFaults[] = {
#define FSRV_FAULT(name, calls, io, errors)
#define FSRV_START_FAULT(name, calls, errors) {#name, calls, Io::automatic, errors},
#include "tests/integration/faults.def"
#undef FSRV_START_FAULT
#undef FSRV_SUPERVISOR_FAULT
};
const Fault kSupervisorFaults[] = {
#define FSRV_START_FAULT(name, calls, errors)
#define FSRV_SUPERVISOR_FAULT(name, calls, errors) {#name, calls, Io::automatic, errors},
#include "tests/integration/faults.def"
#undef FSRV_FAULT
#undef FSRV_START_FAULT
#undef FSRV_SUPERVISOR_FAULT
};

std::vector<std::string> words(const char* text) {
    std::istringstream in(text);
    return {std::istream_iterator<std::string>(in), {}};
}

// As strace's when= wants them. Of a worker's replacement a few are enough.
std::vector<std::string> occasions(bool few) {
    std::vector<std::string> all{"1", "2", "3"};
    if (!few) all.insert(all.end(), {"2..4", "2+3"});
    const char* most = std::getenv("FSRV_FAULT_SWEEP");
    for (int n = 4; most != nullptr && n <= std::atoi(most); ++n) all.push_back(std::to_string(n));
    return all;
}

enum class Follow { no, threads_and_children };

// strace on a running process, until it is taken off.
class Injection final {
  public:
    Injection(pid_t process, const std::string& calls, const std::string& error,
              const std::string& when, Follow follow = Follow::threads_and_children)
        : strace_({"strace", follow == Follow::no ? "-q" : "-fq", "-q", "-o", log_.str() + "/log",
                   "-p", std::to_string(process), "-e", "trace=" + calls, "-e",
                   "inject=" + calls + ":error=" + error + ":when=" + when}) {
        const std::string tasks = "/proc/" + std::to_string(process) + "/task";
        EXPECT_TRUE(await([&] {
            std::error_code gone;
            for (const auto& task : std::filesystem::directory_iterator(tasks, gone))
                if (read_file(task.path().string() + "/status").find("TracerPid:\t0\n") !=
                    std::string::npos)
                    return false;
            return true;
        })) << "strace does not attach";
    }
    ~Injection() { end(); }
    Injection(const Injection&) = delete;
    Injection& operator=(const Injection&) = delete;

    bool has_happened() const {
        return read_file(log_ / "log").find("(INJECTED)") != std::string::npos;
    }
    // Takes it off. False: nothing was made to fail.
    bool end() {
        strace_.signal(SIGTERM);
        strace_.wait();
        return has_happened();
    }

  private:
    TempDir log_;
    Background strace_;
};

class Faults : public testing::TestWithParam<Fault> {
  protected:
    void SetUp() override {
        if (!have_program("strace")) GTEST_SKIP() << "strace is not installed";
        if (!am_root()) GTEST_SKIP() << "needs root to trace";
        write_pattern(root_ / "t.bin", 1000);
        write_pattern(root_ / "big.bin", kSize);
        write_pattern(root_ / "middle.bin", kMiddle);
        set_mtime(root_ / "middle.bin"); // one that is young is not kept
        make_sparse(root_ / "huge.bin", kHuge);
        for (int i = 0; i < 50; ++i) write_file(root_ / ("entry-" + std::to_string(i)), "");
    }
    std::vector<std::string> arguments(const char* workers) const {
        static constexpr const char* kIo[] = {"auto", "threads", "inline"};
        // One thread: an n-th call is one thread's.
        std::vector<std::string> all{"--workers",
                                     workers,
                                     "--threads",
                                     "1",
                                     "--io",
                                     kIo[static_cast<int>(GetParam().io)],
                                     "--header-timeout",
                                     "5s",
                                     "--idle-timeout",
                                     "5s",
                                     "--stall-timeout",
                                     "1s",
                                     "--pause-timeout",
                                     "5s"};
        // Else the end of a file is copied, and these are all end.
        if (is_big()) all.insert(all.end(), {"--in-place-writes", "off"});
        return all;
    }
    static bool is_big() { return GetParam().name.starts_with("big_"); }
    // A complete answer must be the right one or say that something is wrong with the server.
    static void expect_honest(const Response& response, int status,
                              const std::function<bool(const std::string&)>& right) {
        EXPECT_NE(response.got, Got::nothing) << "silence";
        EXPECT_NE(response.got, Got::malformed) << response.problem;
        if (!response.complete()) return;
        const bool honest = response.status == 500 || response.status == 503;
        EXPECT_TRUE(honest || response.status == status || may_be(response.status))
            << response.head << response.body;
        EXPECT_TRUE(response.status != status || right(response.body)) << "wrong bytes";
    }
    // What errno_status.h makes of the errors that say something about the file.
    static bool may_be(int status) {
        const std::string errors = GetParam().errors;
        return (status == 403 && errors.find("EACCES") != std::string::npos) ||
               (status == 404 && (errors.find("ELOOP") != std::string::npos ||
                                  errors.find("ESTALE") != std::string::npos));
    }
    void ask_for_everything(std::uint16_t port) const {
        RawClient kept(port);
        const auto small = [](const std::string& body) { return is_pattern(body, 0, 1000); };
        expect_honest(kept.ask(get("/t.bin")), 200, small);
        expect_honest(kept.ask(head("/t.bin"), true), 200,
                      [](const std::string& body) { return body.empty(); });
        expect_honest(kept.ask(get("/big.bin", "Range: bytes=1-\r\n")), 206,
                      [](const std::string& body) { return is_pattern(body, 1, kSize - 1); });
        expect_honest(fetch(port, "/big.bin"), 200,
                      [](const std::string& body) { return is_pattern(body, 0, kSize); });
        expect_honest(fetch(port, "/none"), 404, [](const std::string&) { return true; });
        expect_honest(fetch(port, "/"), 200, [](const std::string& body) {
            for (int i = 0; i < 50; ++i)
                if (body.find("entry-" + std::to_string(i)) == std::string::npos) return false;
            return true;
        });
        for (int i = 0; i < 3; ++i) {
            RawClient bad(port);
            expect_honest(bad.ask("GET / HTTP/1.1\r\n\r\n"), 400,
                          [](const std::string&) { return true; });
        }
        const auto middle = [](const std::string& body) { return is_pattern(body, 0, kMiddle); };
        RawClient again(port);
        for (int i = 0; i < 3; ++i) {
            const Response response = again.ask(get("/middle.bin"));
            expect_honest(response, 200, middle);
            // What cannot be lent is copied.
            EXPECT_TRUE(response.complete() || GetParam().name != "lend") << response.problem;
        }
        if (is_big()) {
            expect_honest(fetch(port, "/huge.bin"), 200, [](const std::string& body) {
                return body.size() == kHuge && body.find_first_not_of('\0') == std::string::npos;
            });
        }
        expect_honest(fetch(port, "/t.bin"), 200, small);
    }
    void expect_all_well(const Server& server) const {
        EXPECT_TRUE(await([&] { return is_pattern(fetch(server.port(), "/t.bin").body, 0, 1000); }))
            << "afterwards";
        EXPECT_TRUE(is_pattern(fetch(server.port(), "/big.bin").body, 0, kSize));
    }
    // Calls `test` for every error on every occasion, as long as something is left to fail.
    using Trial = std::function<bool(const std::string& error, const std::string& when)>;
    static void sweep(const Trial& test, bool few = false) {
        for (const std::string& error : words(GetParam().errors)) {
            bool any = false;
            for (const std::string& when : occasions(few)) {
                SCOPED_TRACE(std::string(GetParam().calls) + " " + error + " " + when);
                const bool happened = test(error, when);
                any = any || happened;
                if (testing::Test::HasFatalFailure()) return;
                if (!happened && when.find_first_of(".+") == std::string::npos) break;
            }
            EXPECT_TRUE(any) << GetParam().calls << " was never made to fail";
        }
    }
    TempDir root_;
};

TEST_P(Faults, GetAnAnswerOrAnEnd) {
    Server server(root_.path(), arguments("1"));
    ASSERT_TRUE(server.started());
    server.expect_trouble(""); // whatever it has to say
    sweep([&](const std::string& error, const std::string& when) {
        EXPECT_TRUE(server.await_workers(1));
        expect_all_well(server);
        const std::vector<pid_t> workers = server.workers();
        if (workers.empty()) return false;
        Injection injection(workers[0], GetParam().calls, error, when);
        ask_for_everything(server.port());
        return injection.end();
    });
    expect_all_well(server);
}
INSTANTIATE_TEST_SUITE_P(Of, Faults, testing::ValuesIn(kFaults), name_of);

// The worker is killed under strace; what its successor does first fails.
class StartFaults : public Faults {};
TEST_P(StartFaults, AWorkerStartsOrIsReplaced) {
    Server server(root_.path(), arguments("1"));
    ASSERT_TRUE(server.started());
    server.expect_trouble("");
    sweep(
        [&](const std::string& error, const std::string& when) {
            EXPECT_TRUE(server.await_workers(1));
            expect_all_well(server);
            const std::vector<pid_t> workers = server.workers();
            if (workers.empty()) return false;
            Injection injection(server.pid(), GetParam().calls, error, when);
            ::kill(workers[0], SIGKILL);
            // Either it comes to serve without that call, or it has been made to fail.
            EXPECT_TRUE(await([&] {
                if (injection.has_happened()) return true;
                const std::vector<pid_t> now = server.workers();
                if (now.empty() || now[0] == workers[0]) return false;
                RawClient client(server.port());
                client.send(get("/t.bin"));
                return client.read_response(false, Deadline(std::chrono::seconds(1))).status == 200;
            }));
            return injection.end();
        },
        true);
    expect_all_well(server);
}
INSTANTIATE_TEST_SUITE_P(Of, StartFaults, testing::ValuesIn(kStartFaults), name_of);

class SupervisorFaults : public Faults {};
TEST_P(SupervisorFaults, AWorkerIsReplacedInTheEnd) {
    Server server(root_.path(), arguments("2"));
    ASSERT_TRUE(server.started());
    server.expect_trouble("");
    sweep(
        [&](const std::string& error, const std::string& when) {
            EXPECT_TRUE(server.await_workers(2));
            const std::vector<pid_t> workers = server.workers();
            if (workers.size() != 2) return false;
            Injection injection(server.pid(), GetParam().calls, error, when, Follow::no);
            ::kill(workers[0], SIGKILL);
            for (int i = 0; i < 5; ++i) EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
            EXPECT_TRUE(await([&] {
                const auto now = server.workers();
                return now.size() == 2 && now[0] != workers[0] && now[1] != workers[0];
            })) << server.log().text();
            return injection.end();
        },
        true);
    expect_all_well(server);
}
INSTANTIATE_TEST_SUITE_P(Of, SupervisorFaults, testing::ValuesIn(kSupervisorFaults), name_of);

// A worker that is to serve a neighbour's socket too, and cannot, tries again and keeps what it
// has.
TEST(ListenSocket, ThatCannotBeWatchedCostsNoWorker) {
    if (!have_program("strace")) GTEST_SKIP() << "strace is not installed";
    if (!am_root()) GTEST_SKIP() << "needs root to trace";
    TempDir root;
    write_pattern(root / "t.bin", 1000);
    Server server(root.path(), {"--workers", "2"});
    ASSERT_TRUE(server.started());
    server.expect_trouble("cannot accept: No space left on device");
    const std::vector<pid_t> workers = server.workers();
    ASSERT_EQ(workers.size(), 2U);
    ::kill(workers[1], SIGSTOP); // its neighbour is to cover it
    {
        Injection injection(workers[0], "epoll_ctl", "ENOSPC", "1+");
        EXPECT_TRUE(server.log().await_line("cannot accept: No space left on device"));
        EXPECT_TRUE(injection.end());
    }
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200) << "both queues";
    ::kill(workers[1], SIGCONT);
    EXPECT_EQ(server.workers(), workers);
}

} // namespace
} // namespace fsrv::test
