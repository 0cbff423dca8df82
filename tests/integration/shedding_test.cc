// A worker that is full: who makes room, who is told, and that no answer is lost by it.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <gtest/gtest.h>
#include <memory>
#include <sstream>
#include <vector>

namespace fsrv::test {
namespace {

constexpr std::uint64_t kBig = 2 << 20; // waits in the kernels' queues, all of it

class Shedding : public testing::Test {
  protected:
    void SetUp() override {
        write_pattern(root_ / "t.bin", 1000);
        write_pattern(root_ / "big.bin", kBig);
        set_mtime(root_ / "t.bin");
    }
    static std::vector<std::string> args(std::vector<std::string> more) {
        more.insert(more.end(), {"--workers", "1", "--stall-timeout", "10m"});
        return more;
    }
    TempDir root_;
};

// They had sent nothing, and held all places while others got 503.
TEST_F(Shedding, SilentOnesMakeRoom) {
    TempDir run;
    const std::string path = run / "socket"; // where the kernel does not hold them back
    Server server(root_.path(),
                  args({"--max-connections", "4", "--header-timeout", "10m", "--unix", path}));
    const pid_t worker = server.workers().front();
    const unsigned before = open_descriptors(worker, "socket:");
    std::vector<std::unique_ptr<RawClient>> silent;
    for (int i = 0; i < 4; ++i) silent.push_back(std::make_unique<RawClient>(path));
    ASSERT_TRUE(await([&] { return open_descriptors(worker, "socket:") == before + 4; }));
    EXPECT_TRUE(await([&] { return fetch(server.port(), "/t.bin").status == 200; }));
    EXPECT_EQ(silent.front()->await_end(), Got::fin) << "silent the longest";
    EXPECT_EQ(silent.back()->ask(get("/t.bin")).status, 200);
}

// The next request has come, unread, when the place is wanted: a close would have been a reset, and
// the end of the answer before it lost.
TEST_F(Shedding, NoAnswerOnItsWayIsLost) {
    Server server(root_.path(), args({"--max-connections", "1"}));
    for (int i = 0; i < 100; ++i) {
        RawClient first(server.port(), {.receive_buffer = 65536});
        first.send(get("/big.bin"));
        if (first.read_head().status == 503) continue; // the one before is still there
        first.send(get("/t.bin"));
        RawClient second(server.port());
        second.send(get("/t.bin"));
        EXPECT_TRUE(is_pattern(first.read_bytes(kBig), 0, kBig)) << i;
        const Response other = second.read_response();
        EXPECT_TRUE(other.status == 200 || other.status == 503) << other.status;
    }
}

// More than are told so with all that belongs to it: they are told, too.
TEST_F(Shedding, ManyWhoAreRefusedAreToldSo) {
    Server server(root_.path(), args({"--max-connections", "1"}));
    RawClient busy(server.port(), {.receive_buffer = 4096});
    write_pattern(root_ / "huge.bin", 64 << 20);
    busy.send(get("/huge.bin"));
    ASSERT_EQ(busy.read_head().status, 200);
    RawClient asks_for_the_head(server.port());
    const Response bare = asks_for_the_head.ask(head("/t.bin"), true);
    EXPECT_EQ(bare.status, 503);
    EXPECT_EQ(asks_for_the_head.await_end(), Got::fin) << "and no body";
    std::vector<std::unique_ptr<RawClient>> refused;
    for (int i = 0; i < 200; ++i) {
        refused.push_back(std::make_unique<RawClient>(server.port()));
        refused.back()->send(get("/t.bin"));
    }
    for (const auto& client : refused) {
        const Response response = client->read_response();
        EXPECT_EQ(response.status, 503);
        EXPECT_TRUE(response.field("Retry-After").has_value());
        EXPECT_EQ(client->await_end(), Got::fin) << "no reset";
    }
}

// What the kernel of this machine has queued on connections of `port`, by /proc/net/tcp.
std::uint64_t queued_by(std::uint16_t port) {
    std::istringstream lines(read_file("/proc/net/tcp"));
    std::uint64_t sum = 0;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string number, local, remote, state, queues;
        fields >> number >> local >> remote >> state >> queues;
        const std::size_t colon = local.find(':');
        if (state != "01" || colon == std::string::npos) continue;
        if (std::stoul(local.substr(colon + 1), nullptr, 16) == port)
            sum += std::stoull(queues.substr(0, queues.find(':')), nullptr, 16);
    }
    return sum;
}

// Who was fast may have much queued; who has paused and goes on has little again.
TEST_F(Shedding, APauseEndsTheLargeQueueOfAFastClient) {
    constexpr std::uint64_t kHuge = 512 << 20;
    make_sparse(root_ / "huge.bin", kHuge);
    Server server(root_.path(),
                  {"--workers", "1", "--stall-timeout", "100ms", "--log-level", "debug"});
    RawClient client(server.port(), {.receive_buffer = 65536});
    client.send(get("/huge.bin"));
    ASSERT_EQ(client.read_head().status, 200);
    ASSERT_EQ(client.read_bytes(32 << 20).size(), 32U << 20);
    ASSERT_TRUE(server.log().await_count("paused after", 1));
    const std::uint64_t fast = queued_by(server.port());
    ASSERT_EQ(client.read_bytes(32 << 20).size(), 32U << 20);
    ASSERT_TRUE(server.log().await_count("paused after", 2));
    const std::uint64_t again = queued_by(server.port());
    EXPECT_LE(again, 1U << 20) << "it was " << fast;
}

// One of those who share a socket is woken for each client, not all.
TEST_F(Shedding, OneWorkerIsWokenForAClientOfASharedSocket) {
    constexpr int kClients = 300;
    TempDir run;
    const std::string path = run / "socket";
    Server server(root_.path(), {"--workers", "4", "--unix", path});
    const auto woken = [&] {
        std::uint64_t sum = 0;
        for (const pid_t worker : server.workers())
            sum += std::stoull(process_status(worker)["voluntary_ctxt_switches"]);
        return sum;
    };
    const std::uint64_t before = woken();
    for (int i = 0; i < kClients; ++i) {
        RawClient client(path);
        EXPECT_EQ(client.ask(get("/t.bin")).status, 200);
    }
    EXPECT_LT(woken() - before, std::uint64_t{kClients} * 3)
        << "each of four would be 4 a client, at least";
}

} // namespace
} // namespace fsrv::test
