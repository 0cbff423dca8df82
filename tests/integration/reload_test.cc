// The configuration is read anew, and the number of workers changes, while clients ask.

#include "tests/support/files.h"
#include "tests/support/load.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <gtest/gtest.h>
#include <iterator>
#include <poll.h>
#include <set>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSize = 8 << 20;

class Reload : public testing::Test {
  protected:
    Reload() {
        write_pattern(root_ / "t.bin", 1000);
        write_pattern(root_ / "big.bin", kSize);
        std::filesystem::create_directory(root_ / "a folder");
        configure("");
    }
    void configure(const std::string& more) {
        write_file(conf_ / "fsrv.toml", "access-log = \"off\"\n" + more);
    }
    ServerSetup setup(std::vector<std::string> args, std::vector<std::string> trouble = {}) {
        args.insert(args.end(), {"--config", (conf_ / "fsrv.toml").string(), "--control",
                                 (conf_ / "control.sock").string()});
        return {.args = std::move(args),
                .environment = {},
                .wrapper = {},
                .before_exec = {},
                .trouble = std::move(trouble)};
    }
    RunResult ctl(std::vector<std::string> words) {
        std::vector<std::string> command{fsrv_binary(), "--control",
                                         (conf_ / "control.sock").string(), "--ctl"};
        command.insert(command.end(), words.begin(), words.end());
        return run(command);
    }
    static void expect_unharmed(Load& load, Downloads& downloads) {
        load.stop();
        downloads.stop();
        EXPECT_EQ(load.failed(), 0U) << load.text();
        EXPECT_EQ(downloads.cut, 0U) << downloads.text();
        EXPECT_EQ(downloads.wrong, 0U) << downloads.text();
        EXPECT_GT(load.answered, 0U);
        EXPECT_GT(downloads.done, 0U);
        EXPECT_GT(downloads.resumed, 0U);
        std::printf("%s; %s\n", load.text().c_str(), downloads.text().c_str());
    }

    TempDir root_, conf_;
};

TEST_F(Reload, TwentyReloadsUnderLoadHarmNobody) {
    Server server(root_.path(), setup({"--workers", "2"}));
    std::vector<pid_t> workers = server.workers();
    Load load(server.port());
    Downloads downloads(server.port(), {.size = kSize});
    for (int i = 2; i <= 21; ++i) {
        const RunResult result = ctl({"reload"});
        ASSERT_TRUE(ran_well(result, "reload"));
        EXPECT_EQ(result.out,
                  "reloaded: generation " + std::to_string(i) + " serves with 2 workers\n");
    }
    expect_unharmed(load, downloads);
    EXPECT_TRUE(server.await_workers(2)) << "those of before have ended";
    for (const pid_t now : server.workers())
        EXPECT_EQ(std::count(workers.begin(), workers.end(), now), 0);
}

TEST_F(Reload, ManyHangupsAtOnceAreFollowedByOneThatSeesTheLastFile) {
    Server server(root_.path(), setup({"--workers", "2"}));
    Load load(server.port());
    for (int i = 0; i < 100; ++i) {
        configure("listing = \"" + std::string(i < 99 ? "on" : "off") + "\"\n");
        server.signal(SIGHUP);
    }
    EXPECT_TRUE(await([&] { return fetch(server.port(), "/a%20folder/").status == 403; }));
    load.stop();
    EXPECT_EQ(load.failed(), 0U) << load.text();
    EXPECT_LT(server.log().count("reloaded: generation"), 60U);
    EXPECT_TRUE(server.await_workers(2));
}

TEST_F(Reload, ABrokenFileIsRefusedWithItsLineAndNothingChanges) {
    Server server(root_.path(), setup({"--workers", "2"}, {"not reloaded: "}));
    const std::vector<pid_t> workers = server.workers();
    Load load(server.port());
    Downloads downloads(server.port(), {.size = kSize});
    configure("listing = \"off\"\nstall-timeout = \"soon\"\n");
    const RunResult refused = ctl({"reload"});
    EXPECT_EQ(refused.exit_status, 1);
    EXPECT_EQ(refused.out, "");
    EXPECT_NE(refused.err.find("fsrv.toml:3: stall-timeout: expected a time"), std::string::npos)
        << refused.err;
    EXPECT_TRUE(server.log().await_line("fsrv.toml:3: stall-timeout: expected a time"));
    server.signal(SIGHUP);
    EXPECT_TRUE(server.log().await_count("not reloaded: ", 2));
    EXPECT_TRUE(await([&] { return server.workers() == workers; }));
    EXPECT_EQ(fetch(server.port(), "/a%20folder/").status, 200);
    configure("listing = \"off\"\n");
    EXPECT_EQ(ctl({"reload"}).exit_status, 0);
    // The old workers accept until they read that they retire.
    EXPECT_TRUE(await([&] { return fetch(server.port(), "/a%20folder/").status == 403; }));
    ASSERT_TRUE(await([&] { return downloads.resumed > 0; }));
    expect_unharmed(load, downloads);
}

TEST_F(Reload, WhatCannotChangeIsRefusedByName) {
    Server server(root_.path(), setup({}, {"not reloaded: "}));
    const std::vector<pid_t> workers = server.workers();
    const std::pair<std::string, std::string> table[] = {
        {"unix = \"/tmp/x\"", "unix cannot change"},
        {"user = \"nobody\"", "user cannot change"},
        {"pid-file = \"" + (conf_ / "p").string() + "\"", "pid-file cannot change"},
        {"workers = 1000", "workers: 1000 is more than the"},
        {"root = \"/no/such/folder\"", ""}, // the folder on the command line wins
        {"access-log = \"/no/such/folder/log\"", "fsrv.toml:1: access-log: cannot open"},
    };
    for (const auto& [line, reason] : table) {
        write_file(conf_ / "fsrv.toml", line + "\n");
        const RunResult result = ctl({"reload"});
        EXPECT_EQ(result.exit_status, reason.empty() ? 0 : 1) << line;
        EXPECT_NE(result.err.find(reason), std::string::npos) << result.err;
    }
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

TEST_F(Reload, TheLogLevelIsTheOneOfTheWorkersOwnGeneration) {
    Server server(root_.path(), setup({"--workers", "1"}));
    configure("log-level = \"debug\"\n");
    ASSERT_TRUE(ran_well(ctl({"reload"}), "debug"));
    EXPECT_TRUE(server.log().await_line("slot=0 sandbox: ")) << "which a worker says at its start";
    configure("log-level = \"info\"\n");
    ASSERT_TRUE(ran_well(ctl({"reload"}), "info"));
    server.stop();
    EXPECT_TRUE(server.log().await_finished());
    EXPECT_EQ(server.log().count("slot=0 sandbox: "), 1U);
}

TEST_F(Reload, AFileThatIsGoneChangesNothing) {
    Server server(root_.path(), setup({"--workers", "1"}, {"not reloaded: "}));
    const std::vector<pid_t> workers = server.workers();
    std::filesystem::remove(conf_ / "fsrv.toml");
    EXPECT_EQ(ctl({"reload"}).exit_status, 1);
    EXPECT_TRUE(await([&] { return server.workers() == workers; }));
}

TEST_F(Reload, ADownloadOfBeforeFinishesWithinTheGraceAndIsThenCut) {
    Server server(root_.path(), setup({"--workers", "1", "--grace", "1s"}));
    RawClient fast(server.port(), {.receive_buffer = 65536});
    RawClient stuck(server.port(), {.receive_buffer = 65536});
    for (RawClient* client : {&fast, &stuck}) {
        client->send(get("/big.bin"));
        EXPECT_EQ(client->read_head().status, 200);
    }
    const pid_t old = server.workers().at(0);
    ASSERT_EQ(ctl({"reload"}).exit_status, 0);
    EXPECT_EQ(pattern_mismatch(fast.read_bytes(kSize), 0), std::nullopt);
    EXPECT_EQ(fast.await_end(), Got::fin);
    EXPECT_TRUE(server.log().await_line("cut, the grace is over: GET /big.bin"));
    EXPECT_TRUE(await_gone(old));
    stuck.read_to_end();
    EXPECT_EQ(stuck.end(), Got::rst);
}

TEST_F(Reload, HealthSaysOkThroughout) {
    Server server(root_.path(), setup({"--workers", "1"}));
    const pid_t old = server.workers().at(0);
    const unsigned before = open_descriptors(old, "socket:");
    RawClient client(server.port());
    client.send("GET /-/health HTTP/1.1\r\n");
    ASSERT_TRUE(await([&] { return open_descriptors(old, "socket:") > before; }));
    ASSERT_EQ(ctl({"reload"}).exit_status, 0);
    // It has heard that it retires, and let go of its listening socket.
    ASSERT_TRUE(await([&] { return open_descriptors(old, "socket:") <= before; }));
    client.send("Host: t\r\n\r\n");
    const Response response = client.read_response();
    EXPECT_EQ(response.status, 200) << "one that leaves is no sign that the server does";
    EXPECT_TRUE(response.announces_close());
    EXPECT_TRUE(await_gone(old));
}

TEST_F(Reload, WorkersGoFromFourToOneAndBackTenTimesUnderLoadAndHarmNobody) {
    Server server(root_.path(), setup({"--workers", "4"}));
    Load load(server.port());
    Downloads downloads(server.port(), {.size = kSize});
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(ran_well(ctl({"workers", "1"}), "workers 1"));
        const RunResult more = ctl({"workers", "4"});
        ASSERT_TRUE(ran_well(more, "workers 4"));
        EXPECT_EQ(more.out, "4 workers\n");
    }
    expect_unharmed(load, downloads);
    EXPECT_TRUE(server.await_workers(4));
}

TEST_F(Reload, SignalsChangeTheNumberOfWorkersWithinItsBounds) {
    Server server(root_.path(), setup({"--workers", "3"}));
    for (const std::size_t left : {2U, 1U, 1U}) {
        server.signal(SIGTTOU);
        EXPECT_TRUE(server.await_workers(left));
    }
    EXPECT_TRUE(server.log().await_line("still 1 workers"));
    for (int i = 0; i < 40; ++i) EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    for (const std::size_t right : {2U, 3U, 3U}) {
        server.signal(SIGTTIN);
        EXPECT_TRUE(server.await_workers(right));
    }
    EXPECT_TRUE(server.log().await_line("still 3 workers"));
    EXPECT_EQ(ctl({"workers", "4"}).exit_status, 1);
    EXPECT_EQ(ctl({"workers", "0"}).exit_status, 2);
}

TEST_F(Reload, TheNumberFollowsTheLoad) {
    Server server(root_.path(), setup({"--workers", "1..4", "--stall-timeout", "5m"}));
    EXPECT_EQ(server.workers().size(), 1U);
    std::vector<std::unique_ptr<RawClient>> downloads;
    for (int i = 0; i < 150; ++i) { // more than two workers should have
        downloads.push_back(
            std::make_unique<RawClient>(server.port(), ClientSetup{.receive_buffer = 4096}));
        downloads.back()->send(get("/big.bin"));
        ASSERT_EQ(downloads.back()->read_head().status, 200);
    }
    EXPECT_TRUE(server.await_workers(4));
    EXPECT_TRUE(server.log().await_line("4 workers from now on, not 2: "));
    EXPECT_EQ(ctl({"workers", "2"}).exit_status, 0) << "by hand, for as long as the load agrees";
    EXPECT_EQ(ctl({"workers", "5"}).exit_status, 1);
    const std::string rest = downloads.front()->read_bytes(kSize);
    EXPECT_EQ(rest.size(), kSize);
    EXPECT_EQ(pattern_mismatch(rest, 0), std::nullopt);
}

// Few and fast, on the only worker that there is: they use its core up. What they ask for is
// little, so that it is the worker that has the work, however few cores there are for all.
TEST_F(Reload, TheNumberFollowsTheCoreThatIsUsedUp) {
    Server server(root_.path(), setup({"--workers", "1..4", "--requests-per-worker", "1000"}));
    constexpr std::size_t kAtOnce = 200;
    std::string many;
    for (std::size_t i = 0; i < kAtOnce; ++i) many += get("/t.bin");
    std::atomic<bool> over{false};
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i)
        clients.emplace_back([&] {
            RawClient client(server.port());
            const Response one = client.ask(get("/t.bin"));
            const std::size_t answers = kAtOnce * (one.head.size() + one.body.size());
            while (!over && client.send(many) && client.read_bytes(answers).size() == answers) {
            }
        });
    EXPECT_TRUE(await([&] { return server.workers().size() >= 2; })) << server.log().text();
    over = true;
    for (std::thread& client : clients) client.join();
    EXPECT_TRUE(server.log().await_line("workers from now on, not 1: "));
}

// Every request has a number, so a line that is lost, written twice or torn is one that is missed
// or seen.
TEST_F(Reload, TwelveRotationsUnderLoadLoseNoLineAndWriteNoneTwice) {
    const fs::path log = conf_ / "access.log";
    write_file(conf_ / "fsrv.toml", "access-log = \"" + log.string() + "\"\n");
    Server server(root_.path(), setup({"--workers", "2"}));
    Load load(server.port());
    Downloads downloads(server.port(), {.size = kSize});
    for (int i = 0; i < 12; ++i) {
        const unsigned answered = load.answered, resumed = downloads.resumed;
        ASSERT_TRUE(await([&] {
            return load.answered > answered + 100 && downloads.resumed > resumed &&
                   fs::exists(log) && fs::file_size(log) > 0;
        })) << "the load goes on, and the new file has lines";
        fs::rename(log, conf_ / ("access.log." + std::to_string(i)));
        server.signal(SIGUSR1);
        if (i % 3 == 2) {
            EXPECT_EQ(ctl({"reload"}).exit_status, 0);
        }
    }
    ASSERT_TRUE(await([&] { return fs::exists(log) && fs::file_size(log) > 0; }));
    expect_unharmed(load, downloads);
    server.stop();
    std::multiset<std::string> asked, logged;
    for (unsigned i = 0; i < load.asked; ++i) asked.insert("/t.bin?" + std::to_string(i));
    for (unsigned i = 0; i < downloads.asked; ++i) asked.insert("/big.bin?" + std::to_string(i));
    for (const auto& entry : fs::directory_iterator(conf_.path())) {
        if (!entry.path().filename().string().starts_with("access.log")) continue;
        std::istringstream text(read_file(entry.path()));
        for (std::string line; std::getline(text, line);) {
            const std::size_t begin = std::min(line.find("\"GET "), line.size());
            const std::size_t end = line.find(" HTTP/1.1\" ", begin);
            logged.insert(end == line.npos ? line : line.substr(begin + 5, end - begin - 5));
        }
    }
    EXPECT_EQ(logged.size(), asked.size());
    std::vector<std::string> lost, odd;
    std::set_difference(asked.begin(), asked.end(), logged.begin(), logged.end(),
                        std::back_inserter(lost));
    std::set_difference(logged.begin(), logged.end(), asked.begin(), asked.end(),
                        std::back_inserter(odd));
    EXPECT_TRUE(lost.empty()) << lost.size() << " are lost: " << lost.front();
    EXPECT_TRUE(odd.empty()) << odd.size() << " are twice or torn: " << odd.front();
}

TEST_F(Reload, StatusNamesTheWorkers) {
    Server server(root_.path(), setup({"--workers", "2"}));
    const RunResult status = ctl({"status"});
    ASSERT_TRUE(ran_well(status, "status"));
    EXPECT_NE(status.out.find("(pid " + std::to_string(server.pid()) + ")"), std::string::npos);
    EXPECT_NE(status.out.find("2 of 2 workers ready"), std::string::npos) << status.out;
    for (const pid_t worker : server.workers())
        EXPECT_NE(status.out.find(std::to_string(worker)), std::string::npos);
}

TEST_F(Reload, AnAnswerThatNobodyReadsIsNoFailureAndOneThatIsLostIs) {
    Server server(root_.path(), setup({"--workers", "1"}));
    const auto status_to = [&](const std::string& redirections) {
        return run({"sh", "-c", redirections + R"(; exec "$0" --control "$1" --ctl status >&4)",
                    fsrv_binary(), conf_ / "control.sock"},
                   {.environment = {}, .directory = conf_.str(), .input = ""});
    };
    const RunResult unread = status_to("mkfifo gone; exec 3<>gone 4>gone 3>&-");
    EXPECT_EQ(unread.exit_status, 0) << unread.signal;
    EXPECT_EQ(unread.err, "");
    const RunResult lost = status_to("exec 4>/dev/full");
    EXPECT_EQ(lost.exit_status, 1) << lost.signal;
    EXPECT_EQ(lost.err,
              "fsrv: cannot write to standard output: No space left on device (ENOSPC)\n");
}

TEST_F(Reload, AServerThatStandsStillIsNotWaitedForToSayHowItIs) {
    Server server(root_.path(), setup({"--workers", "1"}));
    server.signal(SIGSTOP);
    for (const char* command : {"status", "top"}) {
        const RunResult result = ctl({command});
        EXPECT_EQ(result.exit_status, 1) << command;
        EXPECT_EQ(result.err, "fsrv: the server does not answer\n") << command;
    }
    server.signal(SIGCONT);
    EXPECT_EQ(ctl({"status"}).exit_status, 0);
}

TEST_F(Reload, StopWaitsForTheEnd) {
    Server server(root_.path(), setup({"--workers", "2"}));
    const RunResult stopped = ctl({"stop"});
    EXPECT_EQ(stopped.exit_status, 0);
    EXPECT_EQ(stopped.out, "stopped\n");
    server.await_exit();
    EXPECT_FALSE(std::filesystem::exists(conf_ / "control.sock"));
    const RunResult nobody = ctl({"status"});
    EXPECT_EQ(nobody.exit_status, 1);
    EXPECT_NE(nobody.err.find("no server listens on"), std::string::npos) << nobody.err;
}

// At any moment of it. Whoever is orphaned becomes a child of this test.
TEST_F(Reload, TheSupervisorKilledDuringAReloadLeavesNoProcess) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int round = 0; round < 8; ++round) {
        Server server(root_.path(), setup({"--workers", "3", "--grace", "1s"}));
        server.expect_trouble("the supervisor is gone");
        server.signal(SIGHUP);
        ::poll(nullptr, 0, 15 * round);
        server.signal(SIGKILL);
        server.await_exit();
        EXPECT_TRUE(await([] {
            while (::waitpid(-1, nullptr, WNOHANG) > 0) {
            }
            return children_of(::getpid()).empty();
        }));
        EXPECT_FALSE(RawClient(server.port()).connected());
    }
}

TEST_F(Reload, StrangeCallersOfTheControlSocketHoldNobodyUp) {
    Server server(root_.path(), setup({"--workers", "1"}));
    if (!have_program("python3")) GTEST_SKIP();
    const std::string caller = "import socket,sys,time\n"
                               "l=[]\n"
                               "for i in range(40):\n"
                               " s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET)\n"
                               " s.connect(sys.argv[1]); l.append(s)\n"
                               " if i%3==0: s.send(b'x'*4000)\n"
                               " if i%3==1: s.send(b'no such thing')\n"
                               "open(sys.argv[2],'w').close(); time.sleep(60)\n";
    write_file(conf_ / "caller.py", caller);
    Background strange({"python3", (conf_ / "caller.py").string(),
                        (conf_ / "control.sock").string(), (conf_ / "all.are.there").string()});
    // While they come, one that has connected and not yet asked may have to make room for them.
    ASSERT_TRUE(await([&] { return std::filesystem::exists(conf_ / "all.are.there"); }));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(ctl({"status"}).exit_status, 0);
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

} // namespace
} // namespace fsrv::test
