// Workers and the supervisor die, hang and are replaced, under load: no new connection may notice.

#include "tests/support/files.h"
#include "tests/support/load.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <optional>
#include <sys/socket.h>
#include <sys/wait.h>

namespace fsrv::test {
namespace {

constexpr std::uint64_t kSize = 6 << 20;

class Supervision : public testing::Test {
  protected:
    Supervision() {
        write_pattern(root_ / "t.bin", 1000);
        write_pattern(root_ / "big.bin", kSize);
    }
    // Deaths of workers are what these tests are about.
    static ServerSetup setup(std::vector<std::string> args) {
        return {.args = std::move(args),
                .environment = {},
                .wrapper = {},
                .before_exec = {},
                .trouble = {"worker "}};
    }
    TempDir root_;
};

// Nobody has accepted them yet when every worker dies: each is answered by a successor.
TEST_F(Supervision, QueuedConnectionsSurviveTheDeathOfEveryWorker) {
    Server server(root_.path(), setup({"--workers", "2"}));
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(server.await_workers(2));
        const std::vector<pid_t> workers = server.workers();
        for (const pid_t worker : workers) ::kill(worker, SIGSTOP);
        for (const pid_t worker : workers)
            ASSERT_TRUE(await([&] { return process_state(worker) == 'T'; }));
        std::vector<std::unique_ptr<RawClient>> clients;
        for (int i = 0; i < 100; ++i) {
            clients.push_back(std::make_unique<RawClient>(server.port()));
            ASSERT_TRUE(clients.back()->connected());
            clients.back()->send(get("/t.bin"));
        }
        for (const pid_t worker : workers) ::kill(worker, SIGKILL);
        for (const auto& client : clients) {
            const Response response = client->read_response();
            EXPECT_EQ(response.status, 200) << got_name(response.got);
        }
    }
}

// One of two dies while its queue is full: the neighbour takes over at once.
TEST_F(Supervision, QueuedConnectionsSurviveTheDeathOfOneWorker) {
    for (const int signal : {SIGKILL, SIGSEGV, SIGABRT, SIGBUS}) {
        SCOPED_TRACE(strsignal(signal));
        Server server(root_.path(), setup({"--workers", "2"}));
        server.expect_trouble(
            "ERROR"); // what a sanitizer's own handler says of a SEGV that was sent
        const pid_t victim = server.workers().at(0);
        ::kill(victim, SIGSTOP);
        ASSERT_TRUE(await([&] { return process_state(victim) == 'T'; }));
        std::vector<std::unique_ptr<RawClient>> clients;
        for (int i = 0; i < 60; ++i) {
            clients.push_back(std::make_unique<RawClient>(server.port()));
            clients.back()->send(get("/t.bin"));
        }
        ::kill(victim, SIGKILL);
        for (const auto& client : clients) EXPECT_EQ(client->read_response().status, 200);
        EXPECT_TRUE(await([&] {
            const auto now = server.workers();
            return now.size() == 2 && std::find(now.begin(), now.end(), victim) == now.end();
        }));
    }
}

bool contains(const std::vector<pid_t>& pids, pid_t pid) {
    return std::find(pids.begin(), pids.end(), pid) != pids.end();
}

// Nobody is refused or left waiting. What the dying one was answering is asked again, as clients do
// with a GET, or resumed; sixteen workers, as each of them comes back later from death to death.
TEST_F(Supervision, AHundredKillsOfWorkersFailNoRequestAndEveryDownloadArrivesWhole) {
    constexpr std::size_t kWorkers = 16, kKills = 100;
    Server server(root_.path(), setup({"--workers", std::to_string(kWorkers)}));
    ASSERT_TRUE(server.await_workers(kWorkers));
    Load load(server.port(), {.tries = 5});
    Downloads downloads(server.port(), {.clients = 6, .size = kSize});
    std::vector<pid_t> killed, seen; // in the order of their appearance
    while (killed.size() < kKills) {
        const unsigned before = load.answered;
        ASSERT_TRUE(await([&] { return load.answered > before + 4; })) << load.text();
        // The oldest, so that they take turns.
        ASSERT_TRUE(await([&] {
            const std::vector<pid_t> workers = server.workers();
            for (const pid_t worker : workers)
                if (!contains(seen, worker)) seen.push_back(worker);
            return workers.size() > kWorkers / 2 && killed.size() < seen.size() &&
                   contains(workers, seen[killed.size()]);
        }));
        killed.push_back(seen[killed.size()]);
        ::kill(killed.back(), SIGKILL);
    }
    EXPECT_TRUE(server.log().await_count("was killed by SIGKILL", kKills));
    EXPECT_TRUE(server.await_workers(kWorkers)) << "each death was followed by a respawn";
    for (const pid_t worker : server.workers()) EXPECT_FALSE(contains(killed, worker));
    load.stop();
    downloads.stop();
    EXPECT_EQ(server.log().count("was killed by SIGKILL"), kKills);
    EXPECT_EQ(load.failed(), 0U) << load.text();
    // At most one answer of each client is under way when a worker dies.
    EXPECT_LE(load.again, 4 * kKills) << load.text();
    EXPECT_GT(downloads.cut, 0U) << downloads.text();
    EXPECT_EQ(downloads.wrong, 0U) << downloads.text();
    std::printf("%s; %s\n", load.text().c_str(), downloads.text().c_str());
}

TEST_F(Supervision, ADeathIsToldWithItsCauseAndTheLastRequest) {
    for (const auto& [signal, name] : {std::pair(SIGKILL, "SIGKILL"), std::pair(SIGABRT, "SIGABRT"),
                                       std::pair(SIGTRAP, "SIGTRAP")}) {
        Server server(root_.path(), setup({"--workers", "1"}));
        EXPECT_EQ(fetch(server.port(), "/t.bin?the-last-one").status, 200);
        const pid_t worker = server.workers().at(0);
        ::kill(worker, signal);
        const auto line = server.log().await_line(name);
        ASSERT_TRUE(line) << server.log().text();
        EXPECT_NE(line->find(std::to_string(worker)), std::string::npos) << *line;
        EXPECT_NE(line->find("/t.bin?the-last-one"), std::string::npos) << *line;
        EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    }
}

// The worker of a download dies; the client asks for the rest, of the same ETag, at whoever
// answers.
TEST_F(Supervision, ADownloadGoesOnAfterItsWorkerDied) {
    Server server(root_.path(), setup({"--workers", "2"}));
    std::string bytes, tag;
    for (int deaths = 0; deaths <= 3 && bytes.size() < kSize; ++deaths) {
        RawClient client(server.port(), {.receive_buffer = 65536});
        const std::string range = "Range: bytes=" + std::to_string(bytes.size()) + "-\r\n";
        client.send(get("/big.bin", tag.empty() ? "" : range + "If-Range: " + tag + "\r\n"));
        const Response head = client.read_head();
        ASSERT_EQ(head.status, tag.empty() ? 200 : 206) << head.head;
        tag = head.field("ETag").value_or("");
        if (deaths < 3) {
            bytes += client.read_bytes(kSize / 5);
            for (const pid_t worker : server.workers()) ::kill(worker, SIGKILL);
            bytes += client.read_to_end();
        } else {
            bytes += client.read_bytes(kSize - bytes.size());
        }
    }
    EXPECT_EQ(bytes.size(), kSize);
    EXPECT_EQ(pattern_mismatch(bytes, 0), std::nullopt);
}

TEST_F(Supervision, AWorkerThatHangsIsCoveredAndReplaced) {
    Server server(root_.path(), setup({"--workers", "2", "--hang-timeout", "3s"}));
    const pid_t victim = server.workers().at(0);
    Load load(server.port(), {.tries = 3}); // what it has accepted already ends with it
    Downloads downloads(server.port(), {.size = kSize});
    ASSERT_TRUE(await([&] { return load.answered > 100 && downloads.done > 0; }));
    ::kill(victim, SIGSTOP);
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 40; ++i) {
        clients.push_back(std::make_unique<RawClient>(server.port()));
        clients.back()->send(get("/t.bin"));
    }
    for (const auto& client : clients) EXPECT_EQ(client->read_response().status, 200);
    EXPECT_TRUE(await_gone(victim)) << "aborted, then killed";
    EXPECT_TRUE(server.await_workers(2));
    EXPECT_TRUE(server.log().await_line(std::to_string(victim))) << server.log().text();
    load.stop();
    downloads.stop();
    EXPECT_EQ(load.failed(), 0U) << load.text();
    EXPECT_EQ(downloads.wrong, 0U) << downloads.text();
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

TEST_F(Supervision, AWorkerThatCrashesAgainAndAgainLeavesTheOthersAlone) {
    Server server(root_.path(), setup({"--workers", "2"}));
    const pid_t healthy = server.workers().at(1);
    for (int deaths = 0; deaths < 6; ++deaths) {
        ASSERT_TRUE(server.await_workers(2));
        for (const pid_t worker : server.workers())
            if (worker != healthy) ::kill(worker, SIGKILL);
        for (int i = 0; i < 10; ++i) EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    }
    const std::vector<pid_t> now = server.workers();
    EXPECT_TRUE(std::find(now.begin(), now.end(), healthy) != now.end());
}

TEST_F(Supervision, AWorkerThatIsToldToLeaveFinishesAndIsReplaced) {
    Server server(root_.path(), setup({"--workers", "1"}));
    RawClient client(server.port(), {.receive_buffer = 65536});
    client.send(get("/big.bin"));
    EXPECT_EQ(client.read_head().status, 200);
    const pid_t leaving = server.workers().at(0);
    ::kill(leaving, SIGTERM);
    EXPECT_TRUE(await([&] {
        const auto now = server.workers();
        return now.size() == 2 || (now.size() == 1 && now[0] != leaving);
    })) << "a successor does not wait for the download";
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    EXPECT_EQ(pattern_mismatch(client.read_bytes(kSize), 0), std::nullopt);
    EXPECT_EQ(client.await_end(), Got::fin);
    EXPECT_TRUE(await_gone(leaving));
}

// Whoever comes while it stops is answered or refused, and never left waiting.
TEST_F(Supervision, StoppingUnderLoadLeavesNobodyWaiting) {
    Server server(root_.path(), setup({"--workers", "2"}));
    Load load(server.port());
    ASSERT_TRUE(await([&] { return load.answered > 200; }));
    server.stop();
    load.stop();
    EXPECT_EQ(load.unanswered, 0U);
    EXPECT_EQ(load.wrong, 0U);
    std::printf("%u answered, %u broken, %u refused\n", load.answered.load(), load.broken.load(),
                load.refused.load());
    EXPECT_LE(load.broken, 8U)
        << "at most those that came between a worker's last accept and its close";
}

// True when somebody else could bind the port, as a plain socket without SO_REUSEPORT.
bool is_free(std::uint16_t port) {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); // TIME_WAIT is nobody's
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

TEST_F(Supervision, TheDeathOfTheSupervisorLeavesNoProcessAndFreesThePort) {
    for (const bool busy : {false, true}) {
        Server server(root_.path(),
                      setup({"--workers", "3", "--grace", "1s", "--access-log", "off"}));
        server.expect_trouble("the supervisor is gone");
        ASSERT_TRUE(server.await_workers(3));
        const std::vector<pid_t> workers = server.workers();
        RawClient idle(server.port()), download(server.port(), {.receive_buffer = 65536});
        EXPECT_EQ(idle.ask(get("/t.bin")).status, 200);
        if (busy) {
            download.send(get("/big.bin"));
            EXPECT_EQ(download.read_head().status, 200);
        }
        EXPECT_FALSE(is_free(server.port()));
        Load load(server.port(), {.clients = busy ? 4U : 0U});
        ASSERT_TRUE(await([&] { return !busy || load.answered > 100; }));
        server.signal(SIGKILL);
        load.stop();
        EXPECT_EQ(load.unanswered + load.wrong, 0U) << load.text();
        server.await_exit();
        for (const pid_t worker : workers) EXPECT_TRUE(await_gone(worker));
        EXPECT_TRUE(await([&] { return is_free(server.port()); }));
        EXPECT_NE(idle.await_end(), Got::nothing);
    }
}

TEST_F(Supervision, AStoppedSupervisorHarmsNobody) {
    Server server(root_.path(), setup({"--workers", "2", "--hang-timeout", "1s"}));
    const std::vector<pid_t> workers = server.workers();
    server.signal(SIGSTOP);
    ASSERT_TRUE(await([&] { return process_state(server.pid()) == 'T'; }));
    for (const Deadline longer_than_a_hang(std::chrono::milliseconds(2500));
         !longer_than_a_hang.over();)
        EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    server.signal(SIGCONT);
    for (int i = 0; i < 200; ++i) EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    EXPECT_EQ(server.workers(), workers) << server.log().text();
}

} // namespace
} // namespace fsrv::test
