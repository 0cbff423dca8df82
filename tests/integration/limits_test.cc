// What a client may have: requests at a time and per second, bandwidth alone and among others.
//
// No test asserts that something takes a time: what has come is compared with the most that the
// buckets can have given since the beginning, or with what another client got meanwhile.

#include "tests/integration/admin_support.h"
#include "tests/support/await.h"
#include "tests/support/files.h"
#include "tests/support/http2_client.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <gtest/gtest.h>
#include <memory>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <vector>

namespace fsrv::test {
namespace {

constexpr std::uint64_t kKiB = 1024, kMiB = 1024 * kKiB;
constexpr std::uint64_t kBig = 64 * kMiB;

std::string from(std::string_view address) {
    return "X-Forwarded-For: " + std::string(address) + "\r\n";
}

class Limits : public testing::Test {
  protected:
    Limits() {
        write_pattern(root_ / "t.bin", 1000);
        write_pattern(root_ / "some.bin", 256 * kKiB);
        make_sparse(root_ / "big.bin", kBig);
        set_mtime(root_ / "t.bin");
    }
    // Clients say who they are, and commands reach it.
    std::vector<std::string> args(std::vector<std::string> more) {
        more.insert(more.end(), {"--trusted-proxies", "127.0.0.1", "--control",
                                 (conf_ / "control.sock").string()});
        return more;
    }
    RunResult ctl(const std::string& word) {
        return run({fsrv_binary(), "--control", (conf_ / "control.sock").string(), "--ctl", word});
    }
    TempDir root_, conf_;
};

// A download that is read as fast as it comes.
struct Download {
    explicit Download(std::uint16_t port, std::string_view fields = "",
                      std::string_view target = "/big.bin")
        : client(port), began(Clock::now()) {
        client.send(get(target, fields));
    }
    // What has come by now.
    void read() {
        static std::array<char, 1 << 16> room;
        ssize_t n = 0;
        while ((n = recv(client.fd(), room.data(), room.size(), MSG_DONTWAIT)) > 0)
            got += static_cast<std::uint64_t>(n);
        ended = ended || n == 0;
    }
    RawClient client;
    Clock::time_point began;
    std::uint64_t got = 0; // the head, too
    bool ended = false;
};
using Downloads = std::vector<std::unique_ptr<Download>>;

std::uint64_t sum(const Downloads& downloads) {
    std::uint64_t bytes = 0;
    for (const auto& download : downloads) bytes += download->got;
    return bytes;
}

// Reads all of them until it is enough; false: it never was.
bool read_until(const Downloads& downloads, const std::function<bool()>& enough) {
    const Deadline deadline;
    while (!enough()) {
        std::vector<pollfd> fds;
        for (const auto& download : downloads)
            if (!download->ended)
                fds.push_back({.fd = download->client.fd(), .events = POLLIN, .revents = 0});
        if (deadline.over() || fds.empty() || poll(fds.data(), fds.size(), 1'000) < 0) return false;
        for (const auto& download : downloads) download->read();
    }
    return true;
}

// The most that a bucket can have given, a second's burst included.
std::uint64_t at_most(std::uint64_t rate, Clock::time_point since) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - since);
    return rate * (static_cast<std::uint64_t>(ms.count()) + 1'000) / 1'000;
}

// --- bandwidth

TEST_F(Limits, AClientGetsNoMoreThanItsRateOverAllItsConnections) {
    Server server(root_.path(), args({"--workers", "2", "--client-rate", "1MiB"}));
    const Clock::time_point began = Clock::now();
    Downloads downloads;
    for (unsigned i = 0; i < 6; ++i) downloads.push_back(std::make_unique<Download>(server.port()));
    ASSERT_TRUE(read_until(downloads, [&] { return sum(downloads) >= 3 * kMiB; }));
    EXPECT_LE(sum(downloads), at_most(kMiB, began));
    RecordProperty("bytes_per_second",
                   static_cast<int>(static_cast<double>(sum(downloads)) /
                                    std::chrono::duration<double>(Clock::now() - began).count()));
    // Another client need not wait for what this one owes.
    const Response other = fetch(server.port(), "/some.bin", from("192.0.2.1"));
    EXPECT_TRUE(is_pattern(other.body, 0, 256 * kKiB));
}

TEST_F(Limits, BytesAreWhatWasAskedForHoweverThinTheyCome) {
    for (const char* io : {"auto", "threads", "inline"}) {
        Server server(root_.path(), args({"--client-rate", "300KiB", "--io", io}));
        for (unsigned i = 0; i < 2; ++i)
            EXPECT_TRUE(is_pattern(fetch(server.port(), "/some.bin").body, 0, 256 * kKiB)) << io;
        const Response part =
            fetch(server.port(), "/some.bin", "Range: bytes=100-99999,150000-250000\r\n");
        EXPECT_EQ(part.status, 206);
        EXPECT_TRUE(part.complete());
    }
}

TEST_F(Limits, TheTotalIsSharedByClientsNotByConnections) {
    Server server(root_.path(), args({"--workers", "2", "--total-rate", "2MiB"}));
    const Clock::time_point began = Clock::now();
    Downloads all;
    for (unsigned i = 0; i < 20; ++i)
        all.push_back(std::make_unique<Download>(server.port(), from("192.0.2.1")));
    all.push_back(std::make_unique<Download>(server.port(), from("192.0.2.2")));
    const Download& one = *all.back();
    ASSERT_TRUE(read_until(all, [&] { return one.got >= kMiB; }));
    // From when both are there.
    const std::uint64_t one_before = one.got, all_before = sum(all);
    ASSERT_TRUE(read_until(all, [&] { return one.got >= 4 * kMiB; }));
    const auto of_one = static_cast<double>(one.got - one_before);
    const double of_many = static_cast<double>(sum(all) - all_before) - of_one;
    std::printf("a client with 20 connections got %.2f of what one with one got\n",
                of_many / of_one);
    EXPECT_GT(of_many / of_one, 0.5);
    EXPECT_LT(of_many / of_one, 2);
    EXPECT_LE(sum(all), at_most(2 * kMiB, began));
}

TEST_F(Limits, AThrottledDownloadIsNeitherPausedNorTooSlow) {
    Server server(root_.path(),
                  args({"--client-rate", "16KiB", "--stall-timeout", "100ms", "--pause-timeout",
                        "100ms", "--min-rate", "10MiB", "--log-level", "debug"}));
    write_pattern(root_ / "thin.bin", 24 * kKiB);
    EXPECT_TRUE(is_pattern(fetch(server.port(), "/thin.bin").body, 0, 24 * kKiB));
    EXPECT_EQ(server.log().count("paused after"), 0U);
}

TEST_F(Limits, AThrottledClientThatGoesAwayIsNoticed) {
    Server server(root_.path(), args({"--workers", "1", "--client-rate", "1KiB"}));
    Download download(server.port());
    ASSERT_EQ(download.client.read_head().status, 200);
    download.client.reset();
    EXPECT_TRUE(server.access().await_line("client-aborted"));
}

TEST_F(Limits, WhatHasNoBytesOfAFileIsFree) {
    Server server(root_.path(), args({"--client-rate", "1KiB"}));
    const Response file = fetch(server.port(), "/t.bin");
    const std::string tag = "If-None-Match: " + file.field("ETag").value_or("") + "\r\n";
    RawClient client(server.port());
    for (unsigned i = 0; i < 100; ++i) {
        EXPECT_EQ(client.ask(head("/big.bin"), true).status, 200);
        EXPECT_EQ(client.ask(get("/t.bin", tag)).status, 304);
        EXPECT_EQ(client.ask(get("/none")).status, 404);
    }
}

TEST_F(Limits, OverHttp2EachStreamTakesItsTurns) {
    Server server(root_.path(), args({"--client-rate", "512KiB"}));
    const Clock::time_point began = Clock::now();
    Http2Client client(server.port());
    std::vector<std::uint32_t> streams;
    for (unsigned i = 0; i < 4; ++i) streams.push_back(client.get("/some.bin"));
    for (const std::uint32_t stream : streams) {
        ASSERT_TRUE(client.await(stream));
        EXPECT_TRUE(is_pattern(client.of(stream).body, 0, 256 * kKiB));
    }
    EXPECT_LE(4 * 256 * kKiB, at_most(512 * kKiB, began));
    EXPECT_EQ(client.ask("/-/health").status, 200);
}

TEST_F(Limits, TheStatusShowsWhoIsThrottled) {
    Server server(root_.path(), args({"--workers", "1", "--client-rate", "1KiB", "--admin",
                                      "127.0.0.1:0", "--client-requests", "0.001"}));
    const Admin admin(server);
    Download download(server.port());
    ASSERT_EQ(download.client.read_head().status, 200);
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 429);
    EXPECT_TRUE(await([&] {
        const Json status = admin.status();
        return Admin::number(status["throttled_downloads"]) == 1 &&
               !status["downloads"].items.empty() &&
               status["downloads"].items[0]["throttled"].text == "true";
    }));
    EXPECT_TRUE(await([&] {
        return admin.get("/metrics")
                   .body.find("fsrv_requests_limited_total{limit=\"requests\"} 1\n") !=
               std::string::npos;
    })) << admin.get("/metrics").body;
}

// --- requests

TEST_F(Limits, RequestsPerSecondAreCountedByClient) {
    Server server(root_.path(), args({"--workers", "2", "--client-requests", "0.001"}));
    struct Row {
        std::string client;
        int status;
    };
    const Row rows[] = {
        {"", 200},
        {"", 429},
        {"", 429},
        {from("192.0.2.1"), 200},
        {from("192.0.2.1"), 429},
        {from("192.0.2.2, 127.0.0.1"), 200},
        {from("2001:db8::1"), 200},
        {from("2001:db8::ffff:2"), 429}, // of the same /64
        {from("2001:db8:0:1::1"), 200},
    };
    for (const Row& row : rows) {
        const Response response = fetch(server.port(), "/t.bin", row.client);
        EXPECT_EQ(response.status, row.status) << row.client;
        if (row.status == 200) continue;
        const std::string after = response.field("Retry-After").value_or("");
        // Rounded up, by the clock of another worker, which may have looked at it a moment before.
        EXPECT_TRUE(std::stoul("0" + after) <= 1'001 && std::stoul("0" + after) > 900)
            << "who is refused is not charged: " << after;
        expect_sound(response);
    }
    for (unsigned i = 0; i < 10; ++i) EXPECT_EQ(fetch(server.port(), "/-/health").status, 200);
    Http2Client http2(server.port());
    EXPECT_EQ(http2.ask("/t.bin", {{"x-forwarded-for", "192.0.2.9"}}).status, 200);
    const Http2Answer refused = http2.ask("/t.bin", {{"x-forwarded-for", "192.0.2.9"}});
    EXPECT_EQ(refused.status, 429);
    EXPECT_FALSE(refused.field("retry-after").empty());
}

TEST_F(Limits, TheClientIsWhomThePROXYHeaderNames) {
    Server server(root_.path(), args({"--proxy-protocol", "on", "--client-requests", "0.001"}));
    const auto ask = [&](std::string_view address) {
        RawClient client(server.port());
        return client
            .ask("PROXY TCP4 " + std::string(address) + " 198.51.100.1 51234 443\r\n" +
                 get("/t.bin"))
            .status;
    };
    EXPECT_EQ(ask("192.0.2.1"), 200);
    EXPECT_EQ(ask("192.0.2.1"), 429);
    EXPECT_EQ(ask("192.0.2.2"), 200);
}

TEST_F(Limits, TheOtherEndOfAUnixSocketIsNoClientUnlessItSpeaksForOne) {
    const std::string path = (conf_ / "http.sock").string();
    Server server(root_.path(), {"--unix", path, "--trusted-proxies", "unix", "--unix-mode", "0600",
                                 "--client-requests", "0.001", "--client-connections", "1"});
    RawClient local(path);
    for (unsigned i = 0; i < 5; ++i) EXPECT_EQ(local.ask(get("/t.bin")).status, 200);
    EXPECT_EQ(local.ask(get("/t.bin", from("192.0.2.1"))).status, 200);
    EXPECT_EQ(local.ask(get("/t.bin", from("192.0.2.1"))).status, 429);
}

TEST_F(Limits, BucketsOutliveReloadsAndUpgrades) {
    Server server(root_.path(), args({"--workers", "2", "--client-requests", "0.001"}));
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 429);
    ASSERT_EQ(ctl("reload").exit_status, 0);
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 429);
    for (unsigned i = 0; i < 2; ++i) {
        const pid_t before = server.pid();
        ASSERT_EQ(ctl("upgrade").exit_status, 0);
        server.follow();
        ASSERT_TRUE(await_gone(before));
        EXPECT_EQ(fetch(server.port(), "/t.bin").status, 429) << "upgrade " << i;
    }
    EXPECT_EQ(fetch(server.port(), "/t.bin", from("192.0.2.1")).status, 200);
}

// --- at a time

int status_now(const Server& server, std::string_view fields = "") {
    return fetch(server.port(), "/t.bin", fields).status;
}

TEST_F(Limits, RequestsAtATimeAreCountedOverAllWorkers) {
    Server server(root_.path(), args({"--workers", "2", "--client-connections", "2"}));
    Downloads downloads;
    for (unsigned i = 0; i < 2; ++i) {
        downloads.push_back(std::make_unique<Download>(server.port()));
        ASSERT_EQ(downloads.back()->client.read_head().status, 200);
    }
    for (unsigned i = 0; i < 8; ++i) {
        const Response refused = fetch(server.port(), "/t.bin");
        EXPECT_EQ(refused.status, 429);
        EXPECT_EQ(refused.field("Retry-After"), "1");
    }
    EXPECT_EQ(fetch(server.port(), "/-/health").status, 200);
    EXPECT_EQ(status_now(server, from("192.0.2.1")), 200);
    downloads.pop_back();
    EXPECT_TRUE(await([&] { return status_now(server) == 200; }));
}

TEST_F(Limits, StreamsOfHttp2AreRequestsAtATime) {
    Server server(root_.path(), args({"--client-connections", "2"}));
    Http2Client client(server.port(), {.window = 1000});
    std::vector<std::uint32_t> streams;
    for (unsigned i = 0; i < 2; ++i) {
        streams.push_back(client.get("/big.bin"));
        while (client.of(streams.back()).status == 0) ASSERT_TRUE(client.read());
        EXPECT_EQ(client.of(streams.back()).status, 200);
    }
    EXPECT_EQ(client.ask("/t.bin").status, 429);
    EXPECT_EQ(status_now(server), 429);
    client.raw().reset();
    EXPECT_TRUE(await([&] { return status_now(server) == 200; }));
}

TEST_F(Limits, WhatAKilledWorkerHadCountedIsGivenBack) {
    Server server(root_.path(), {.args = args({"--workers", "2", "--client-connections", "1"}),
                                 .trouble = {"was killed by", "ended", "SIGKILL"}});
    Download download(server.port());
    ASSERT_EQ(download.client.read_head().status, 200);
    EXPECT_EQ(status_now(server), 429);
    for (const pid_t worker : server.workers()) kill(worker, SIGKILL);
    EXPECT_TRUE(await([&] { return status_now(server) == 200; }));
}

TEST_F(Limits, RequestsOfTheServerBeforeCountUntilTheyEnd) {
    Server server(root_.path(), args({"--workers", "1", "--client-connections", "1"}));
    Download download(server.port());
    ASSERT_EQ(download.client.read_head().status, 200);
    ASSERT_EQ(ctl("reload").exit_status, 0);
    EXPECT_EQ(status_now(server), 429);
    ASSERT_EQ(ctl("upgrade").exit_status, 0);
    server.follow();
    EXPECT_EQ(status_now(server), 429);
    download.client.close();
    EXPECT_TRUE(await([&] { return status_now(server) == 200; }));
}

// The kernel shows them after a second.
TEST_F(Limits, SilentConnectionsCountButForThoseOfAProxy) {
    Server server(root_.path(),
                  {"--workers", "1", "--client-connections", "2", "--header-timeout", "1h"});
    std::vector<std::unique_ptr<RawClient>> silent;
    for (unsigned i = 0; i < 2; ++i) silent.push_back(std::make_unique<RawClient>(server.port()));
    EXPECT_TRUE(await([&] { return status_now(server) == 429; }));
    silent.pop_back();
    EXPECT_TRUE(await([&] { return status_now(server) == 200; }));
    EXPECT_EQ(silent.front()->ask(get("/t.bin")).status, 200) << "it is no second one of its own";
    Server proxied(root_.path(), args({"--workers", "1", "--client-connections", "1"}));
    std::vector<std::unique_ptr<RawClient>> kept;
    for (unsigned i = 0; i < 3; ++i) {
        kept.push_back(std::make_unique<RawClient>(proxied.port()));
        ASSERT_TRUE(kept.back()->send("G"));
    }
    EXPECT_EQ(status_now(proxied), 200);
}

} // namespace
} // namespace fsrv::test
