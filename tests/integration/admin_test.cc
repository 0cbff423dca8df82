// The admin process: what it tells, that it tells it right, and that nobody can make it a nuisance.

#include "tests/integration/admin_support.h"
#include "tests/support/files.h"
#include "tests/support/process.h"

#include <algorithm>
#include <csignal>
#include <gtest/gtest.h>
#include <set>
#include <sys/socket.h>
#include <sys/stat.h>

namespace fsrv::test {
namespace {

class AdminTest : public testing::Test {
  protected:
    AdminTest() {
        write_pattern(root_ / "t.bin", 1'000);
        write_pattern(root_ / "big.bin", 64 << 20);
    }
    static ServerSetup setup(std::vector<std::string> more = {}) {
        std::vector<std::string> args{"--admin", "127.0.0.1:0", "--workers", "2"};
        args.insert(args.end(), more.begin(), more.end());
        return {.args = std::move(args)};
    }
    // A client that has taken the head and then nothing more.
    static RawClient slow_client(const Server& server, std::string_view target) {
        RawClient client(server.port(), {.receive_buffer = 4'096});
        client.send(get(target));
        EXPECT_EQ(client.read_head().status, 200);
        return client;
    }
    TempDir root_;
};

TEST_F(AdminTest, TellsThatItLivesAndThatTheServerIsReady) {
    Server server(root_.path(), setup());
    const Admin admin(server);
    for (const auto& [path, body] :
         {std::pair{"/healthz", "ok\n"}, std::pair{"/readyz", "ready\n"}}) {
        const Response response = admin.get(path);
        EXPECT_EQ(response.status, 200);
        EXPECT_EQ(response.body, body);
        expect_sound(response);
        RawClient client(admin.port());
        const Response bare = client.ask(head(path), true);
        EXPECT_EQ(bare.status, 200);
        EXPECT_EQ(bare.content_length(), response.body.size());
    }
    EXPECT_EQ(admin.get("/").field("location"), "status");
    EXPECT_EQ(admin.get("/nothing").status, 404);
    EXPECT_EQ(admin.get("/t.bin").status, 404) << "it serves no files";
    EXPECT_EQ(admin.get("/healthz/").status, 404);
    EXPECT_EQ(admin.get("/healthz?x=1").status, 200);
}

TEST_F(AdminTest, IsNotThereUnlessAskedFor) {
    Server server(root_.path(), std::vector<std::string>{"--workers", "2"});
    EXPECT_EQ(server.workers().size(), 2U);
    EXPECT_EQ(server.log().count("status at"), 0U);
}

TEST_F(AdminTest, CountsWhatWasAskedAndSent) {
    Server server(root_.path(), setup());
    const Admin admin(server);
    for (int i = 0; i < 7; ++i) EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(fetch(server.port(), "/none").status, 404);
    const Response part = fetch(server.port(), "/big.bin", "Range: bytes=0-99999\r\n");
    EXPECT_EQ(part.status, 206);
    RawClient client(server.port());
    EXPECT_EQ(client.ask(head("/t.bin"), true).status, 200);
    EXPECT_EQ(client.ask("DELETE /t.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 405);
    EXPECT_EQ(client.ask("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 204);
    EXPECT_EQ(client.ask("nonsense\r\n\r\n").status, 400);

    // An answer is counted after its last byte was sent: the client may be here first.
    ASSERT_TRUE(await([&] { return admin.metrics().sum("fsrv_requests_total") >= 15; }));
    const Exposition metrics = admin.metrics();
    const auto requests = [&](const char* method, const char* code) {
        return metrics.sum("fsrv_requests_total", {{"method", method}, {"code", code}});
    };
    EXPECT_EQ(requests("GET", "2xx"), 8);
    EXPECT_EQ(requests("GET", "4xx"), 3);
    EXPECT_EQ(requests("HEAD", "2xx"), 1);
    EXPECT_EQ(requests("other", "4xx"), 1);
    EXPECT_EQ(requests("OPTIONS", "2xx"), 1);
    EXPECT_EQ(requests("none", "4xx"), 1);
    EXPECT_EQ(metrics.sum("fsrv_requests_total"), 15);
    EXPECT_EQ(metrics.sum("fsrv_request_duration_seconds_count"), 15);
    EXPECT_EQ(metrics.sum("fsrv_connections_accepted_total"), 12);
    EXPECT_GE(metrics.sum("fsrv_sent_bytes_total"), 7 * 1'000 + 100'000);
    EXPECT_EQ(
        metrics.sum("fsrv_file_cache_hits_total") + metrics.sum("fsrv_file_cache_misses_total"), 12)
        << "every GET and HEAD";
    EXPECT_EQ(metrics.sum("fsrv_workers", {{"state", "ready"}}), 2);
    EXPECT_GT(metrics.sum("fsrv_start_time_seconds"), 1.7e9);
}

TEST_F(AdminTest, TotalsNeverGoDownOverFiftyDeathsOfWorkers) {
    ServerSetup with_deaths = setup();
    with_deaths.trouble = {"was killed by SIGKILL"};
    Server server(root_.path(), std::move(with_deaths));
    const Admin admin(server);
    auto last = admin.metrics().growing();
    double answered = 0;
    for (int deaths = 1; deaths <= 50; ++deaths) {
        for (int i = 0; i < 4; ++i) answered += fetch(server.port(), "/t.bin").complete() ? 1 : 0;
        std::vector<pid_t> workers;
        ASSERT_TRUE(await([&] { return !(workers = admin.workers()).empty(); }));
        kill(workers.front(), SIGKILL);
        ASSERT_TRUE(await([&] {
            const Exposition metrics = admin.metrics();
            for (const auto& [name, value] : metrics.growing()) {
                EXPECT_GE(value, last[name]) << name << " after " << deaths << " deaths";
                last[name] = value;
            }
            return metrics.sum("fsrv_workers_ended_total", {{"cause", "crashed"}}) == deaths;
        }));
    }
    EXPECT_EQ(answered, 200) << "nobody was killed with a request in hand";
    // An answer is counted right after it was sent: a death may come in between.
    EXPECT_LE(last["fsrv_requests_total code=2xx method=GET"], answered);
    EXPECT_GE(last["fsrv_requests_total code=2xx method=GET"], answered - 50);
    EXPECT_EQ(last["fsrv_workers_ended_total cause=left"], 0);
    ASSERT_TRUE(await([&] { return admin.metrics().sum("fsrv_connections") == 0; }))
        << "what the dead had open is not counted for ever";
}

TEST_F(AdminTest, CountsWhyWorkersEnd) {
    ServerSetup with_deaths = setup({"--hang-timeout", "1s"});
    with_deaths.trouble = {"worker "};
    Server server(root_.path(), std::move(with_deaths));
    const Admin admin(server);
    const auto count = [&](const char* cause) {
        return admin.metrics().sum("fsrv_workers_ended_total", {{"cause", cause}});
    };
    const auto some_worker = [&] {
        EXPECT_TRUE(await([&] { return Admin::number(admin.status()["workers_ready"]) == 2; }));
        return admin.workers().at(0);
    };
    kill(some_worker(), SIGTERM);
    EXPECT_TRUE(await([&] { return count("left") == 1; }));
    kill(some_worker(), SIGKILL);
    EXPECT_TRUE(await([&] { return count("crashed") == 1; }));
    kill(some_worker(), SIGSTOP);
    EXPECT_TRUE(await([&] { return count("hung") >= 1; }));
    EXPECT_EQ(count("failed"), 0);
}

TEST_F(AdminTest, SaysThatTheServerDrainsAndStaysUntilItHas) {
    Server server(root_.path(), setup({"--grace", "1h"}));
    const Admin admin(server);
    EXPECT_TRUE(admin.agent().starts_with("ready up "));
    RawClient client = slow_client(server, "/big.bin");
    server.signal(SIGTERM);
    ASSERT_TRUE(await([&] { return admin.get("/readyz").status == 503; }));
    EXPECT_EQ(admin.get("/readyz").body, "draining\n");
    EXPECT_EQ(admin.get("/healthz").status, 200);
    EXPECT_EQ(admin.agent(), "drain\n");
    EXPECT_EQ(admin.metrics().sum("fsrv_draining"), 1);
    EXPECT_EQ(admin.status()["draining"].text, "true");
    EXPECT_EQ(client.read_bytes(64 << 20).size(), 64U << 20);
    client.close();
    EXPECT_EQ(server.await_exit(), 0);
    EXPECT_FALSE(RawClient(admin.port()).connected());
}

TEST_F(AdminTest, ANewOneComesAfterItsDeathAndKnowsTheTotals) {
    ServerSetup with_deaths = setup({"--hang-timeout", "1s"});
    with_deaths.trouble = {"admin process "};
    Server server(root_.path(), std::move(with_deaths));
    const Admin admin(server);
    fetch(server.port(), "/t.bin");
    const std::vector<pid_t> workers = admin.workers();
    for (const int signal : {SIGKILL, SIGTERM, SIGSTOP}) {
        const pid_t before = admin.pid();
        ASSERT_NE(before, 0);
        kill(before, signal);
        ASSERT_TRUE(await_gone(before));
        EXPECT_EQ(admin.get("/healthz").status, 200) << "its queue outlived it";
        EXPECT_NE(admin.pid(), before);
        EXPECT_EQ(admin.metrics().sum("fsrv_requests_total"), 1);
        EXPECT_EQ(admin.workers(), workers) << "nobody else noticed";
    }
}

TEST_F(AdminTest, IsGoneWhenTheSupervisorIsKilled) {
    ServerSetup with_death = setup();
    with_death.trouble = {"the supervisor is gone"};
    Server server(root_.path(), std::move(with_death));
    const Admin admin(server);
    const pid_t pid = admin.pid();
    ASSERT_NE(pid, 0);
    server.signal(SIGKILL);
    server.await_exit();
    EXPECT_TRUE(await_gone(pid));
    EXPECT_FALSE(RawClient(admin.port()).connected());
}

TEST_F(AdminTest, HoldsNothingThatItDoesNotNeed) {
    Server server(root_.path(), setup());
    const Admin admin(server);
    const pid_t pid = admin.pid();
    EXPECT_EQ(open_descriptors(pid, root_.path().string()), 0U);
    // Its listener and its channel, once it has closed the connection that asked for its pid.
    EXPECT_TRUE(await([&] { return open_descriptors(pid, "socket:") == 2U; }));
}

TEST_F(AdminTest, AUnixSocketIsForItsOwnerAndGroup) {
    const std::string path = (root_ / "admin.sock").string();
    Server server(root_.path(),
                  std::vector<std::string>{"--admin", "unix:" + path, "--workers", "1"});
    struct stat st {};
    ASSERT_EQ(stat(path.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0660U);
    RawClient client(path);
    EXPECT_EQ(client.ask(get("/readyz")).body, "ready\n");
    RawClient agent(path);
    agent.send("state\n");
    EXPECT_TRUE(agent.read_to_end().starts_with("ready up "));
    server.stop();
    EXPECT_NE(stat(path.c_str(), &st), 0) << "removed at the end";
}

TEST_F(AdminTest, RefusesAnAddressThatIsNone) {
    for (const char* bad : {"9090", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:x",
                            "::1:9090", ":9090", "unix:", "[]:1"}) {
        const RunResult result =
            run({fsrv_binary(), "--check", "--admin", bad, root_.path().string()});
        EXPECT_EQ(result.exit_status, 2) << bad << result.err;
        EXPECT_NE(result.err.find("--admin"), std::string::npos) << result.err;
    }
    for (const char* good : {"127.0.0.1:0", "[::1]:9090", "localhost:1", "unix:/x"}) {
        const RunResult result =
            run({fsrv_binary(), "--check", "--admin", good, root_.path().string()});
        EXPECT_EQ(result.exit_status, 0) << good << result.err;
    }
    Server server(root_.path(), setup());
    const Admin admin(server);
    const RunResult taken =
        run({fsrv_binary(), "--host", "127.0.0.1", "--port", "0", "--admin",
             "127.0.0.1:" + std::to_string(admin.port()), root_.path().string()});
    EXPECT_EQ(taken.exit_status, 3) << taken.err;
    EXPECT_NE(taken.err.find("--admin"), std::string::npos) << taken.err;
}

TEST_F(AdminTest, AnUpgradeTakesItsAddressOver) {
    for (const bool unix_socket : {false, true}) {
        const std::string path = (root_ / "admin.sock").string();
        Server server(root_.path(),
                      std::vector<std::string>{"--workers", "2", "--admin",
                                               unix_socket ? "unix:" + path : "127.0.0.1:0"});
        const Admin admin(server);
        const auto ask = [&](std::string_view target) {
            if (!unix_socket) return admin.get(target);
            RawClient client(path);
            return client.ask(get(target));
        };
        server.signal(SIGUSR2);
        server.follow();
        ASSERT_TRUE(await([&] {
            EXPECT_EQ(ask("/healthz").status, 200) << "never refused";
            const auto status = JsonReader::read(ask("/status").body);
            return status && static_cast<pid_t>(Admin::number((*status)["pid"])) == server.pid() &&
                   (*status)["ready"].text == "true";
        }));
    }
}

// --- the agent of a load balancer

TEST_F(AdminTest, AnswersAnAgentOneLineAndEverybodyElseHttp) {
    Server server(root_.path(), setup());
    const Admin admin(server);
    for (const char* word : {"state\n", "state\r\n"}) {
        const std::string line = admin.agent(word);
        EXPECT_TRUE(line.starts_with("ready up ") && line.ends_with("%\n")) << line;
    }
    for (const char* word : {"States\n", "state \n", "state\n\n", "state x\n", "\nstate\n"})
        EXPECT_TRUE(admin.agent(word).starts_with("HTTP/1.1 ")) << word;
    RawClient byte_by_byte(admin.port());
    EXPECT_TRUE(byte_by_byte.send_pieces({"s", "t", "ate", "\n"}));
    EXPECT_TRUE(byte_by_byte.read_to_end().starts_with("ready up "));
    RawClient later(admin.port());
    EXPECT_EQ(later.ask(get("/healthz")).status, 200);
    later.send("state\n");
    EXPECT_TRUE(later.read_to_end().starts_with("HTTP/1.1 ")) << "only the first line is a word";
}

// --- the hostile

TEST_F(AdminTest, RefusesWhatIsNoRequestAsAWorkerWould) {
    Server server(root_.path(), setup());
    const Admin admin(server);
    const std::string good = "Host: localhost\r\n\r\n";
    const struct {
        std::string request;
        int status;
    } rows[] = {
        {"POST /healthz HTTP/1.1\r\nContent-Length: 3\r\n" + good + "abc", 405},
        {"DELETE /status HTTP/1.1\r\n" + good, 405},
        {"BREW /status HTTP/1.1\r\n" + good, 501},
        {"GET /healthz HTTP/1.1\r\n\r\n", 400},
        {"GET /healthz HTTP/1.1\r\nHost: a\r\n" + good, 400},
        {"GET /healthz HTTP/1.1\nHost: localhost\n\n", 400},
        {"GET /healthz HTTP/1.1\r\nA : b\r\n" + good, 400},
        {std::string("GET /health\0z HTTP/1.1\r\n", 24) + good, 400},
        {"GET /healthz HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n" + good,
         400},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"GET /" + std::string(9'000, 'x') + " HTTP/1.1\r\n" + good, 414},
        {"GET / HTTP/1.1\r\nA: " + std::string(9'000, 'x') + "\r\n" + good, 431},
        {"GET /../etc/passwd HTTP/1.1\r\n" + good, 404},
        {"GET /%2e%2e/healthz HTTP/1.1\r\n" + good, 404},
        {"GET /STATUS HTTP/1.1\r\n" + good, 404},
        {"GET /metrics%00 HTTP/1.1\r\n" + good, 404},
        {"\x16\x03\x01\x02\x00\x01\x00", 400},
    };
    for (const auto& row : rows) {
        RawClient client(admin.port());
        const Response response = client.ask(row.request);
        EXPECT_EQ(response.status, row.status) << row.request.substr(0, 60);
        if (row.status == 405) {
            EXPECT_EQ(response.field("allow"), "GET, HEAD, OPTIONS");
        }
    }
    EXPECT_EQ(admin.get("/healthz").status, 200);
}

TEST_F(AdminTest, AnswersPipelinedRequestsInOrder) {
    Server server(root_.path(), setup());
    const Admin admin(server);
    RawClient client(admin.port());
    std::string many;
    constexpr int kMany = 60;
    for (int i = 0; i < kMany; ++i) many += get("/healthz") + get("/readyz") + get("/none");
    ASSERT_TRUE(client.send(many));
    for (int i = 0; i < kMany; ++i) {
        EXPECT_EQ(client.read_response().body, "ok\n");
        EXPECT_EQ(client.read_response().body, "ready\n");
        EXPECT_EQ(client.read_response().status, 404);
    }
}

TEST_F(AdminTest, ABodyEndsTheConnection) {
    Server server(root_.path(), setup());
    const Admin admin(server);
    RawClient client(admin.port());
    client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 36\r\n\r\n" +
                get("/none"));
    const Response response = client.read_response();
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.announces_close());
    EXPECT_EQ(client.read_to_end(), "") << "the body was not taken for a request";
}

TEST_F(AdminTest, ClientsThatHoldEveryConnectionDoNotKeepOthersOut) {
    Server server(root_.path(), setup());
    const Admin admin(server);
    std::vector<RawClient> idle;
    for (int i = 0; i < 200; ++i) {
        idle.emplace_back(admin.port());
        idle.back().send(i % 2 == 0 ? "GET /sta" : "sta");
    }
    for (int i = 0; i < 20; ++i) EXPECT_EQ(admin.get("/healthz").status, 200) << i;
    // None of them reads what it asked for.
    std::vector<RawClient> greedy;
    for (int i = 0; i < 200; ++i) {
        greedy.emplace_back(admin.port(), ClientSetup{.receive_buffer = 1'024});
        std::string requests;
        for (int j = 0; j < 20; ++j) requests += get("/metrics");
        ::send(greedy.back().fd(), requests.data(), requests.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    for (int i = 0; i < 20; ++i) EXPECT_EQ(admin.get("/healthz").status, 200) << i;
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

// --- the status

TEST_F(AdminTest, ShowsDownloadsWhileTheyRun) {
    const std::string name = "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D <b>\"&'.tar";
    write_pattern(root_ / name, 64 << 20);
    Server server(root_.path(), setup({"--stall-timeout", "1s"}));
    const Admin admin(server);
    const std::string target = "/files?path=%D7%A9%D7%9C%D7%95%D7%9D%20%3Cb%3E%22%26'.tar";
    RawClient client = slow_client(server, target);
    Json download;
    ASSERT_TRUE(await([&] {
        const Json status = admin.status();
        if (status["downloads"].items.empty()) return false;
        download = status["downloads"].items.at(0);
        return download["paused"].text == "true";
    }));
    EXPECT_EQ(download["name"].text, "/" + name);
    EXPECT_EQ(download["target"].text, target);
    EXPECT_TRUE(download["client"].text.starts_with("127.0.0.1 port ")) << download["client"].text;
    EXPECT_EQ(Admin::number(download["total"]), 64U << 20);
    EXPECT_GT(Admin::number(download["sent"]), 0U);
    EXPECT_LT(Admin::number(download["sent"]), 64U << 20);
    EXPECT_EQ(download["remaining"].text, "null") << "who knows when it goes on";
    const std::vector<pid_t> workers = admin.workers();
    EXPECT_NE(std::find(workers.begin(), workers.end(),
                        static_cast<pid_t>(Admin::number(download["worker"]))),
              workers.end());

    const Response page = admin.get("/status", "Accept: text/html,*/*;q=0.8\r\n");
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.field("content-type"), "text/html; charset=utf-8");
    EXPECT_EQ(page.body.find("<b>"), std::string::npos) << "escaped";
    EXPECT_NE(page.body.find("&lt;b&gt;&quot;&amp;&#39;.tar"), std::string::npos);
    EXPECT_NE(page.body.find(">paused<"), std::string::npos);

    EXPECT_EQ(client.read_bytes(64 << 20).size(), 64U << 20);
    EXPECT_TRUE(await([&] { return admin.status()["downloads"].items.empty(); }));
}

TEST_F(AdminTest, ShowsTheLongestRunningDownloadsAndCountsTheRest) {
    constexpr unsigned kClients = 100;
    Server server(root_.path(),
                  std::vector<std::string>{"--admin", "127.0.0.1:0", "--workers", "1"});
    const Admin admin(server);
    std::vector<RawClient> clients;
    for (unsigned i = 0; i < kClients; ++i)
        clients.push_back(slow_client(server, "/big.bin?" + std::to_string(i)));
    Json status;
    ASSERT_TRUE(await([&] {
        status = admin.status();
        return status["downloads"].items.size() == 64;
    }));
    EXPECT_EQ(Admin::number(status["downloads_not_shown"]), kClients - 64);
    // The first ones make room for those that came after them.
    for (unsigned i = 0; i < 50; ++i) clients[i].reset();
    ASSERT_TRUE(await([&] {
        status = admin.status();
        return status["downloads"].items.size() == kClients - 50;
    }));
    std::set<std::string> targets;
    for (const Json& download : status["downloads"].items) targets.insert(download["target"].text);
    EXPECT_EQ(targets.size(), kClients - 50);
    EXPECT_TRUE(targets.contains("/big.bin?99"));
    EXPECT_FALSE(targets.contains("/big.bin?49"));
}

TEST_F(AdminTest, HasAPageForPeopleAndJsonForPrograms) {
    Server server(root_.path(), setup());
    const Admin admin(server);
    const auto type = [&](std::string_view target, std::string_view fields) {
        return admin.get(target, fields).field("content-type").value_or("");
    };
    EXPECT_EQ(type("/status", ""), "application/json");
    EXPECT_EQ(type("/status", "Accept: */*\r\n"), "application/json");
    EXPECT_EQ(type("/status", "Accept: application/json\r\n"), "application/json");
    EXPECT_EQ(type("/status", "Accept: text/html\r\n"), "text/html; charset=utf-8");
    EXPECT_EQ(type("/status?format=json", "Accept: text/html\r\n"), "application/json");
    EXPECT_EQ(type("/status?format=html", ""), "text/html; charset=utf-8");

    const Json status = admin.status();
    EXPECT_EQ(static_cast<pid_t>(Admin::number(status["pid"])), server.pid());
    EXPECT_EQ(status["ready"].text, "true");
    EXPECT_EQ(status["workers"].items.size(), 2U);
    for (const Json& worker : status["workers"].items) EXPECT_EQ(worker["state"].text, "ready");
}

} // namespace
} // namespace fsrv::test
