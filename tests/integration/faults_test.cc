// Every system call that a worker lives on is made to fail, the first time, some times in a row,
// now and then. Each request then has an answer that is right, an honest error, or an end; never a
// wrong byte and never silence; and afterwards all is well.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <csignal>
#include <filesystem>
#include <gtest/gtest.h>

namespace fsrv::test {
namespace {

constexpr std::uint64_t kSize = 700'000; // three chunks

struct Fault {
    const char* name;
    const char* calls; // as strace knows them
    std::vector<const char*> errors;
};
const Fault kFaults[] = {
    {"accept", "accept4", {"EMFILE", "ECONNABORTED", "EINTR", "EAGAIN"}},
    {"resolve", "openat2,openat", {"EMFILE", "ENOMEM", "EIO", "EINTR", "EAGAIN"}},
    {"stat", "fstat,newfstatat,statx", {"ENOMEM", "EIO"}},
    {"read", "read,pread64,preadv,preadv2", {"EIO", "ENOMEM", "EINTR"}},
    {"list", "getdents64", {"EIO", "ENOMEM"}},
    {"receive", "recvfrom,recvmsg", {"ECONNRESET", "ENOMEM", "EIO", "EINTR", "EAGAIN"}},
    {"send", "sendmsg,sendto,writev,sendfile", {"EPIPE", "ENOMEM", "EIO", "EINTR", "EAGAIN"}},
    {"poll", "epoll_ctl", {"ENOMEM", "EIO"}},
    {"wait", "epoll_wait,epoll_pwait", {"EINTR"}},
    {"shutdown", "shutdown", {"ENOTCONN"}},
};
void PrintTo(const Fault& fault, std::ostream* out) {
    *out << fault.calls;
}
const char* const kWhen[] = {"1", "2..4", "2+3"};

enum class Follow { no, threads_and_children };

// strace on a running process until the end of its life.
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
    ~Injection() {
        ::kill(strace_.pid(), SIGTERM);
        strace_.wait();
        EXPECT_NE(read_file(log_ / "log").find("(INJECTED)"), std::string::npos)
            << "nothing was made to fail";
    }

  private:
    TempDir log_;
    Background strace_;
};

class Faults : public testing::TestWithParam<Fault> {
  protected:
    Faults() {
        write_pattern(root_ / "t.bin", 1000);
        write_pattern(root_ / "big.bin", kSize);
        for (int i = 0; i < 50; ++i) write_file(root_ / ("entry-" + std::to_string(i)), "");
    }
    // A complete answer must be the right one or say that something is wrong with the server.
    static void expect_honest(const Response& response, int status,
                              const std::function<bool(const std::string&)>& right) {
        EXPECT_NE(response.got, Got::nothing) << "silence";
        EXPECT_NE(response.got, Got::malformed) << response.problem;
        if (!response.complete()) return;
        const bool honest = response.status == 500 || response.status == 503;
        EXPECT_TRUE(honest || response.status == status) << response.head << response.body;
        EXPECT_TRUE(response.status != status || right(response.body)) << "wrong bytes";
    }
    void ask_for_everything(std::uint16_t port) {
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
        expect_honest(fetch(port, "/t.bin"), 200, small);
    }
    TempDir root_;
};

TEST_P(Faults, GetAnAnswerOrAnEnd) {
    if (!have_program("strace")) GTEST_SKIP() << "strace is not installed";
    if (!am_root()) GTEST_SKIP() << "needs root to trace";
    const Fault& fault = GetParam();
    for (const char* error : fault.errors) {
        Server server(root_.path(), {"--workers", "1", "--header-timeout", "5s", "--idle-timeout",
                                     "5s", "--stall-timeout", "1s", "--pause-timeout", "5s"});
        server.expect_trouble(""); // whatever it has to say
        for (const char* when : kWhen) {
            SCOPED_TRACE(std::string(fault.calls) + " " + error + " " + when);
            ASSERT_TRUE(server.await_workers(1));
            ASSERT_EQ(fetch(server.port(), "/t.bin").status, 200);
            {
                const Injection injection(server.workers().at(0), fault.calls, error, when);
                ask_for_everything(server.port());
            }
            EXPECT_TRUE(await([&] {
                return is_pattern(fetch(server.port(), "/t.bin").body, 0, 1000);
            })) << "afterwards";
            EXPECT_TRUE(is_pattern(fetch(server.port(), "/big.bin").body, 0, kSize));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Of, Faults, testing::ValuesIn(kFaults),
                         [](const auto& fault) { return std::string(fault.param.name); });

// The supervisor cannot fork for a while: it tries again.
TEST(SupervisorFaults, AForkThatFailsIsRepeated) {
    if (!have_program("strace")) GTEST_SKIP() << "strace is not installed";
    if (!am_root()) GTEST_SKIP() << "needs root to trace";
    TempDir root;
    write_pattern(root / "t.bin", 1000);
    Server server(root.path(), {"--workers", "2"});
    server.expect_trouble("");
    ASSERT_TRUE(server.await_workers(2));
    {
        const Injection injection(server.pid(), "fork,vfork,clone,clone3", "EAGAIN", "1..3",
                                  Follow::no);
        const std::vector<pid_t> workers = server.workers();
        ::kill(workers.at(0), SIGKILL);
        for (int i = 0; i < 10; ++i) EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
        EXPECT_TRUE(await([&] {
            const auto now = server.workers();
            return now.size() == 2 && now[0] != workers[0] && now[1] != workers[0];
        })) << server.log().text();
    }
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

} // namespace
} // namespace fsrv::test
