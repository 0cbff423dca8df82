// From the command line to the exit status: starting, where it listens, what it gives up, stopping.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

namespace fsrv::test {
namespace {

constexpr std::uint64_t kSize = 6 << 20;

class Lifecycle : public testing::Test {
  protected:
    Lifecycle() {
        write_pattern(root_ / "t.bin", 1000);
        write_pattern(root_ / "big.bin", kSize);
    }
    std::unique_ptr<RawClient> begin_download(std::uint16_t port) {
        auto client = std::make_unique<RawClient>(port, ClientSetup{.receive_buffer = 65536});
        client->send(get("/big.bin"));
        EXPECT_EQ(client->read_head().status, 200);
        return client;
    }
    RunResult run_fsrv(std::vector<std::string> args, std::vector<std::string> environment = {}) {
        args.insert(args.begin(), {fsrv_binary(), "--host", "127.0.0.1"});
        return run(args,
                   {.environment = std::move(environment), .directory = root_.str(), .input = ""});
    }
    TempDir root_;
};

struct Listener {
    UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    std::uint16_t port = 0;
    Listener() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(fd.get(), 1), 0);
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length);
        port = ntohs(address.sin_port);
    }
};

TEST_F(Lifecycle, TheStartLineTellsAPersonWhatIsServedWhere) {
    Server server(root_.path(), {"--workers", "3"});
    const std::string& line = server.start_line();
    for (const std::string& part :
         {root_.str(), "http://127.0.0.1:" + std::to_string(server.port()) + "/",
          std::to_string(server.pid())})
        EXPECT_NE(line.find(part), std::string::npos) << part << " is not in: " << line;
    EXPECT_NE(line.find("3 workers"), std::string::npos) << line;
    EXPECT_NE(server.port(), 0);
    EXPECT_TRUE(server.await_workers(3));
}

TEST_F(Lifecycle, WhatIsWrongOnTheCommandLineIsNamedAndEndsWith2) {
    write_file(root_ / "unknown.toml", "port = 8080\nprot = 8081\n");
    write_file(root_ / "bad.toml", "\n\nheader-timeout = \"soon\"\n");
    write_file(root_ / "broken.toml", "port = = 1\n");
    write_file(root_ / "root.toml", "port = 0\n\nroot = \"nope\"\n");
    write_file(root_ / "user.toml", "port = 0\nuser = \"nosuch\"\n");
    write_file(root_ / "group.toml", "port = 0\ngroup = \"nosuch\"\n");
    write_file(root_ / "admin.toml", "admin = \"9090\"\n");
    write_file(root_ / "log.toml", "access-log = \"no/log\"\n");
    write_file(root_ / "pid.toml", "pid-file = \"no/pid\"\n");
    struct Bad {
        std::vector<std::string> args, environment;
        const char* named;
    };
    const Bad table[] = {
        {{"--nosuch"}, {}, "--nosuch"},
        {{"--port", "99999"}, {}, "--port"},
        {{"--port", "http"}, {}, "--port"},
        {{"--workers", "0"}, {}, "--workers"},
        {{"--workers", "many"}, {}, "--workers"},
        {{"--io", "fast"}, {}, "--io"},
        {{"--header-timeout", "10 parsecs"}, {}, "--header-timeout"},
        {{"--max-header-size", "1"}, {}, "--max-header-size"},
        {{"--symlinks", "maybe"}, {}, "--symlinks"},
        {{"--log-format", "xml"}, {}, "--log-format"},
        {{"--config", "missing.toml"}, {}, "missing.toml"},
        {{"--config", "unknown.toml"}, {}, "unknown.toml:2"},
        {{"--config", "bad.toml"}, {}, "bad.toml:3"},
        {{"--config", "broken.toml"}, {}, "broken.toml:1"},
        {{}, {"FSRV_PORT=abc"}, "FSRV_PORT"},
        {{}, {"FSRV_NOSUCH=1"}, "FSRV_NOSUCH"},
        {{"missing-folder"}, {}, "missing-folder"},
        {{"t.bin"}, {}, "t.bin"},
        {{"--user", "nobody-by-that-name"}, {}, "nobody-by-that-name"},
        {{".", "another"}, {}, "another"},
        // What is written well, and does not work.
        {{"--config", "root.toml"}, {}, "root.toml:3: root: cannot serve \"nope\": "},
        {{"--config", "user.toml"}, {}, "user.toml:2: user: there is no user \"nosuch\""},
        {{"--config", "group.toml"}, {}, "group.toml:2: group: "},
        {{"--config", "admin.toml"}, {}, "admin.toml:1: admin: expected ADDR:PORT"},
        {{"--config", "log.toml"}, {}, "log.toml:1: access-log: cannot open"},
        {{"--config", "pid.toml"}, {}, "pid.toml:1: pid-file: cannot write"},
        {{}, {"FSRV_ADMIN=9090"}, "fsrv: FSRV_ADMIN: expected ADDR:PORT"},
        {{}, {"FSRV_USER=nosuch"}, "fsrv: FSRV_USER: there is no user"},
        {{"nope"}, {}, "fsrv: DIR: cannot serve \"nope\": "},
        {{"--root", "nope"}, {}, "fsrv: --root: cannot serve \"nope\": "},
        {{"--access-log", "no/log"}, {}, "fsrv: --access-log: cannot open"},
        {{"--host", "127.0.0.1:80"}, {}, "fsrv: --host: expected an IPv4 or IPv6 address"},
        {{"--unix", "no/u"},
         {},
         "fsrv: --unix: cannot listen on the Unix socket \"no/u\": No such"},
        {{"--control", "no/c"}, {}, "fsrv: --control: cannot listen on the Unix socket \"no/c\""},
        {{"--admin", "unix:no/a"}, {}, "fsrv: --admin: cannot listen on the Unix socket \"no/a\""},
        {{}, {"RUNTIME_DIRECTORY=no"}, "\"no/control.sock\": No such file"},
    };
    for (const Bad& bad : table) {
        SCOPED_TRACE(bad.named);
        std::vector<std::string> args = bad.args;
        args.insert(args.begin(),
                    {"--check"}); // should it be taken for good, it must not start to serve
        for (const bool check : {true, false}) {
            const RunResult result = run_fsrv(check ? args : bad.args, bad.environment);
            EXPECT_EQ(result.exit_status, 2) << result.out << result.err;
            EXPECT_NE(result.err.find(bad.named), std::string::npos) << result.err;
            if (result.exit_status != 2) break;
        }
    }
}

TEST_F(Lifecycle, TheJournalIsToldThatAFailureIsAnError) {
    const auto in_journal = [&](const std::string& arguments) {
        return run({"sh", "-c",
                    "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$0\" " + arguments,
                    fsrv_binary()},
                   {.environment = {}, .directory = root_.str(), .input = ""})
            .err;
    };
    EXPECT_EQ(in_journal("--port http"),
              "<3>fsrv: --port: expected a number from 0 to 65535, not \"http\"\n");
    for (const char* arguments : {"missing", "--check --user nobody-by-that-name",
                                  "--host 192.0.2.1", "--control c --ctl status"})
        EXPECT_TRUE(in_journal(arguments).starts_with("<3>fsrv: ")) << arguments;
}

TEST_F(Lifecycle, HelpVersionAndConfigurationGoToStdout) {
    const std::pair<const char*, const char*> table[] = {{"--help", "--help-all"},
                                                         {"--help-all", "--header-timeout"},
                                                         {"--version", "0.1.0"},
                                                         {"--dump-config", "header-timeout"}};
    for (const auto& [flag, part] : table) {
        const RunResult result = run_fsrv({flag});
        EXPECT_EQ(result.exit_status, 0) << flag << result.err;
        EXPECT_NE(result.out.find(part), std::string::npos) << result.out;
        EXPECT_EQ(result.err, "");
    }
    write_file(root_ / "dumped.toml", run_fsrv({"--dump-config", "--idle-timeout", "7s"}).out);
    const RunResult again = run_fsrv({"--dump-config", "--config", "dumped.toml"});
    EXPECT_EQ(again.exit_status, 0) << again.err;
    EXPECT_NE(again.out.find("7s"), std::string::npos) << again.out;
}

TEST_F(Lifecycle, ATakenPortEndsWith3AndIsNotStolen) {
    const Listener other;
    const std::string port = std::to_string(other.port);
    RunResult result = run_fsrv({"--port", port});
    EXPECT_EQ(result.exit_status, 3) << result.err;
    EXPECT_NE(result.err.find(port), std::string::npos) << result.err;
    EXPECT_EQ(run_fsrv({"--port", port, "--check"}).exit_status, 0) << "--check binds nothing";

    Server server(root_.path(), {"--workers", "2"});
    result = run_fsrv({"--port", std::to_string(server.port())});
    EXPECT_EQ(result.exit_status, 3) << "another fsrv is there: " << result.err;
    for (int i = 0; i < 20; ++i) EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

TEST_F(Lifecycle, ListensOnIPv6AndOnSeveralAddresses) {
    Server server(root_.path(), {.args = {"--workers", "2", "--host", "::1", "--host", "127.0.0.1",
                                          "--host", "127.0.0.2", "--port", "0"},
                                 .environment = {},
                                 .wrapper = {},
                                 .before_exec = {},
                                 .loopback = false});
    EXPECT_NE(server.start_line().find("http://[::1]:" + std::to_string(server.port()) + "/"),
              std::string::npos)
        << server.start_line();
    for (const char* address : {"::1", "127.0.0.1", "127.0.0.2"})
        for (int i = 0; i < 8; ++i) {
            RawClient client(server.port(), {.address = address});
            EXPECT_EQ(client.ask(get("/t.bin")).status, 200) << address;
        }
}

TEST_F(Lifecycle, ListensOnAUnixSocket) {
    const std::string path = root_.str() + "/socket";
    for (int life = 0; life < 2; ++life) {
        Server server(root_.path(), {"--workers", "2", "--unix", path});
        for (int i = 0; i < 10; ++i) {
            RawClient client(path);
            EXPECT_TRUE(is_pattern(client.ask(get("/t.bin")).body, 0, 1000));
        }
        EXPECT_EQ(run_fsrv({"--port", "0", "--unix", path}).exit_status, 3)
            << "somebody listens there";
        RawClient client(path);
        EXPECT_EQ(client.ask(get("/t.bin")).status, 200);
        if (life == 0) { // its end leaves a socket that nobody serves: no obstacle
            server.expect_trouble("the supervisor is gone");
            server.signal(SIGKILL);
            server.await_exit();
            EXPECT_NE(client.await_end(), Got::nothing);
        }
    }
}

TEST_F(Lifecycle, ThePidFileNamesTheSupervisor) {
    const std::string path = root_.str() + "/fsrv.pid";
    write_file(path, "999999999\n"); // stale
    Server server(root_.path(), {"--workers", "1", "--pid-file", path});
    EXPECT_EQ(std::stol(read_file(path)), server.pid());
}

TEST_F(Lifecycle, ThePidFileOfARunningServerIsNotForASecondOne) {
    const std::string path = root_.str() + "/fsrv.pid";
    Server server(root_.path(), {"--workers", "1", "--pid-file", path});
    const RunResult second = run_fsrv({"--port", "0", "--pid-file", path});
    EXPECT_EQ(second.exit_status, 2);
    EXPECT_NE(second.err.find("process " + std::to_string(server.pid())), std::string::npos)
        << second.err;
    EXPECT_EQ(std::stol(read_file(path)), server.pid());
    EXPECT_EQ(run_fsrv({"--check", "--pid-file", path}).exit_status, 0) << "of the same server";
    for (const pid_t worker : server.workers())
        EXPECT_EQ(open_descriptors(worker, "fsrv.pid"), 0U) << "it could write to it";
    server.expect_trouble("the supervisor is gone");
    server.signal(SIGKILL);
    server.await_exit();
    Server next(root_.path(), {"--workers", "1", "--pid-file", path});
    EXPECT_EQ(std::stol(read_file(path)), next.pid());
}

TEST_F(Lifecycle, StartsFromAnyState) {
    ServerSetup setup{.args = {"--workers", "1"},
                      .environment = {},
                      .wrapper = {},
                      .before_exec = {},
                      .trouble = {"worker "}};
    setup.before_exec = [] {
        for (int fd = 100; fd < 1100; ++fd) ::dup2(0, fd);
        sigset_t all;
        sigfillset(&all);
        ::sigprocmask(SIG_SETMASK, &all, nullptr);
        for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGPIPE})
            ::signal(number, SIG_IGN);
        ::umask(0);
    };
    Server server(root_.path(), std::move(setup));
    const pid_t worker = server.workers().at(0);
    for (const pid_t process : {worker, server.pid()}) EXPECT_LT(open_descriptors(process), 60U);
    ::kill(worker, SIGKILL);
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200) << "the death was noticed";
    EXPECT_NE(server.workers().at(0), worker);
}

// What is pending at the start stands for what comes in the first milliseconds.
TEST_F(Lifecycle, SignalsThatComeWhileItStartsWait) {
    const auto with_pending = [](int number) {
        return ServerSetup{.args = {"--workers", "1"},
                           .environment = {},
                           .wrapper = {},
                           .before_exec =
                               [number] {
                                   sigset_t all;
                                   sigfillset(&all);
                                   ::sigprocmask(SIG_SETMASK, &all, nullptr);
                                   ::raise(number);
                               },
                           .trouble = {},
                           .must_start = number != SIGTERM};
    };
    for (const auto& [number, said] : {std::pair(SIGHUP, "reloaded: generation 2"),
                                       std::pair(SIGUSR1, "SIGUSR1: the access log is no file")}) {
        Server server(root_.path(), with_pending(number));
        EXPECT_TRUE(server.log().await_line(said));
    }
    Server server(root_.path(), with_pending(SIGTERM));
    EXPECT_FALSE(server.started());
    EXPECT_EQ(server.await_exit(), 0) << "a clean stop";
}

TEST_F(Lifecycle, WhoOnlyAsksAServerIsEndedBySignalsAsEver) {
    const std::string path = root_.str() + "/control.sock";
    const UniqueFd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    const Background asks({fsrv_binary(), "--control", path, "--ctl", "reload"});
    ASSERT_TRUE(await_fd(listener.get(), POLLIN));
    const UniqueFd never_answered(::accept(listener.get(), nullptr, nullptr));
    asks.signal(SIGTERM);
    EXPECT_TRUE(await_gone(asks.pid()));
}

// With descriptors 0 to 2 closed the first socket would be stderr, and the log would go to a
// client.
TEST_F(Lifecycle, StartsWithoutStandardDescriptors) {
    std::uint16_t port = 0;
    {
        const Listener free;
        port = free.port;
    }
    ServerSetup setup{
        .args = {"--host", "127.0.0.1", "--port", std::to_string(port), "--workers", "1"},
        .environment = {},
        .wrapper = {},
        .before_exec =
            [] {
                for (int fd = 0; fd < 3; ++fd) ::close(fd);
            },
        .loopback = false,
        .trouble = {},
        .must_start = false};
    Server server(root_.path(), std::move(setup));
    ASSERT_TRUE(await([&] { return fetch(port, "/t.bin").status == 200; }));
    const pid_t worker = children_of(server.pid()).at(0);
    RawClient client(port);
    for (int i = 0; i < 50; ++i)
        EXPECT_EQ(client.ask(get("/none")).status, 404) << "nothing else is written to the client";
    for (const pid_t process : {worker, server.pid()})
        for (int fd = 0; fd < 3; ++fd)
            EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(process) + "/fd/" +
                                                    std::to_string(fd)),
                      "/dev/null");
    server.signal(SIGTERM);
    const auto status = server.await_exit();
    EXPECT_TRUE(status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0);
}

TEST_F(Lifecycle, WorkersGiveUpEveryPrivilege) {
    if (!am_root()) GTEST_SKIP() << "needs root to give something up";
    Server server(root_.path(), {"--workers", "2", "--user", "nobody"});
    const passwd* nobody = ::getpwnam("nobody");
    ASSERT_NE(nobody, nullptr);
    const std::string uid = std::to_string(nobody->pw_uid), gid = std::to_string(nobody->pw_gid);
    for (const pid_t worker : server.workers()) {
        auto status = process_status(worker);
        EXPECT_EQ(status["Uid"], uid + "\t" + uid + "\t" + uid + "\t" + uid);
        EXPECT_EQ(status["Gid"], gid + "\t" + gid + "\t" + gid + "\t" + gid);
        EXPECT_TRUE(status["Groups"] == gid + " " || status["Groups"] == "" ||
                    status["Groups"] == " ")
            << status["Groups"];
        for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
            EXPECT_EQ(status[set], "0000000000000000") << set;
        EXPECT_EQ(status["NoNewPrivs"], "1");
        struct stat entry {};
        ASSERT_EQ(::stat(("/proc/" + std::to_string(worker) + "/environ").c_str(), &entry), 0);
        EXPECT_EQ(entry.st_uid, 0U) << "it can be dumped, and so read by any process of its user";
    }
    EXPECT_TRUE(is_pattern(fetch(server.port(), "/t.bin").body, 0, 1000));
    server.expect_trouble("worker ");
    ::kill(server.workers().at(0), SIGKILL);
    EXPECT_TRUE(server.await_workers(2));
    for (const pid_t worker : server.workers())
        EXPECT_TRUE(await([&] { return process_status(worker)["Uid"].starts_with(uid); }))
            << "a successor too";
    // The supervisor's death is noticed after the change of user too.
    server.expect_trouble("the supervisor is gone");
    const std::vector<pid_t> workers = server.workers();
    server.signal(SIGKILL);
    server.await_exit();
    for (const pid_t worker : workers) EXPECT_TRUE(await_gone(worker));
}

TEST_F(Lifecycle, ARootThatTheUserMayNotEnterIsWarnedOfOnce) {
    if (!am_root()) GTEST_SKIP() << "needs root to become somebody without rights";
    std::filesystem::permissions(root_.path(), std::filesystem::perms::owner_all);
    Server server(root_.path(), {"--workers", "2", "--user", "nobody"});
    const std::string warning =
        "user 65534 cannot serve \"" + root_.str() + "\": Permission denied";
    server.expect_trouble(warning);
    EXPECT_TRUE(server.log().await_line(warning));
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 403);
    server.stop();
    EXPECT_EQ(server.log().count(warning), 1U);
}

TEST_F(Lifecycle, IdleItEndsAtOnce) {
    for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) {
        SCOPED_TRACE(strsignal(signal));
        Server server(root_.path(), {"--workers", "2", "--grace", "10m"});
        RawClient idle(server.port()), fresh(server.port());
        EXPECT_EQ(idle.ask(get("/t.bin")).status, 200);
        server.signal(signal);
        EXPECT_EQ(idle.await_end(), Got::fin);
        const auto status = server.await_exit();
        EXPECT_TRUE(status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0);
        EXPECT_FALSE(RawClient(server.port()).connected());
    }
}

TEST_F(Lifecycle, DrainingItFinishesDownloadsAndTakesNothingNew) {
    for (const int signal : {SIGTERM, SIGQUIT}) {
        SCOPED_TRACE(strsignal(signal));
        Server server(root_.path(),
                      {"--workers", "1", "--grace", "10m", "--header-timeout", "10m"});
        const auto download = begin_download(server.port());
        RawClient idle(server.port()), fresh(server.port());
        EXPECT_EQ(idle.ask(get("/t.bin")).status, 200);
        fresh.send("GET /-/hea");                                 // a request that is under way
        EXPECT_EQ(fetch(server.port(), "/-/health").status, 200); // so that it was accepted
        server.signal(signal);
        EXPECT_EQ(idle.await_end(), Got::fin) << "nobody waits for an idle one";
        const Response health = fresh.ask("lth HTTP/1.1\r\nHost: localhost\r\n\r\n");
        EXPECT_EQ(health.status, 503) << got_name(health.got);
        EXPECT_TRUE(health.announces_close());
        fresh.close();
        RawClient late(server.port());
        if (late.connected()) {
            const Response answer = late.ask(get("/-/health"));
            EXPECT_TRUE(answer.status == 503 || answer.got == Got::rst || answer.got == Got::fin)
                << got_name(answer.got);
        }
        EXPECT_EQ(pattern_mismatch(download->read_bytes(kSize), 0), std::nullopt);
        EXPECT_EQ(download->await_end(), Got::fin);
        const auto status = server.await_exit();
        EXPECT_TRUE(status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0);
    }
}

TEST_F(Lifecycle, AfterTheGraceDownloadsAreCutAndTold) {
    Server server(root_.path(), {"--workers", "1", "--grace", "300ms"});
    const auto download = begin_download(server.port());
    server.signal(SIGTERM);
    const auto status = server.await_exit(); // nobody reads meanwhile
    EXPECT_LT(download->read_to_end().size(), kSize);
    EXPECT_EQ(download->end(), Got::rst);
    EXPECT_TRUE(status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0);
    EXPECT_TRUE(server.log().await_finished());
    EXPECT_GE(server.log().count("/big.bin"), 1U) << server.log().text();
    EXPECT_EQ(server.access().count("grace-over"), 1U) << server.access().text();
}

TEST_F(Lifecycle, ASecondWordEndsItAtOnce) {
    for (const auto& [first, second] :
         {std::pair(SIGTERM, SIGTERM), std::pair(SIGINT, SIGINT), std::pair(SIGQUIT, SIGTERM)}) {
        Server server(root_.path(),
                      {"--workers", "1", "--grace", first == SIGQUIT ? "200ms" : "10m"});
        server.expect_trouble("was killed by SIGKILL"); // by the supervisor itself
        const auto download = begin_download(server.port());
        RawClient idle(server.port());
        EXPECT_EQ(idle.ask(get("/t.bin")).status, 200);
        server.signal(first);
        EXPECT_EQ(idle.await_end(), Got::fin) << "the first was heard";
        server.signal(second);
        const auto status = server.await_exit();
        EXPECT_TRUE(status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0)
            << status.value_or(-1);
        EXPECT_LT(download->read_to_end().size(), kSize);
    }
}

} // namespace
} // namespace fsrv::test
