#include "common/scoreboard.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace fsrv {
namespace {

TEST(Scoreboard, StartsWithNothing) {
    Scoreboard board(3);
    ASSERT_EQ(board.size(), 3U);
    for (unsigned i = 0; i < board.size(); ++i) {
        EXPECT_EQ(board.slot(i).tick_ms, 0U);
        EXPECT_EQ(board.slot(i).connections, 0U);
        EXPECT_EQ(board.slot(i).requests, 0U);
        EXPECT_EQ(board.slot(i).bytes_sent, 0U);
        EXPECT_EQ(board.slot(i).last_request(), "");
    }
}

TEST(Scoreboard, TakesAsManySlotsAsThereMayBeWorkers) {
    Scoreboard board(limits::kMaxWorkers);
    board.slot(limits::kMaxWorkers - 1).set_last_request("GET / HTTP/1.1");
    EXPECT_EQ(board.slot(limits::kMaxWorkers - 1).last_request(), "GET / HTTP/1.1");
    EXPECT_EQ(board.slot(limits::kMaxWorkers - 2).last_request(), "");
}

TEST(ScoreSlot, KeepsALineOfAnyLengthUpToItsOwn) {
    ScoreSlot slot;
    for (std::size_t length = 0; length <= limits::kLastRequestBytes + 9; ++length) {
        const std::string line(length, 'x');
        slot.set_last_request(line);
        ASSERT_EQ(slot.last_request(), line.substr(0, limits::kLastRequestBytes - 1)) << length;
    }
}

TEST(ScoreSlot, AShorterLineLeavesNothingOfTheLongerOne) {
    ScoreSlot slot;
    for (std::size_t length = limits::kLastRequestBytes; length-- > 0;) {
        slot.set_last_request(std::string(length + 1, 'y'));
        const std::string line(length, 'x');
        slot.set_last_request(line);
        ASSERT_EQ(slot.last_request(), line) << length;
    }
}

TEST(ScoreSlot, ALineEndsAtItsFirstNul) {
    ScoreSlot slot;
    slot.set_last_request({}); // no bytes at all, as of a new worker
    EXPECT_EQ(slot.last_request(), "");
    slot.set_last_request(std::string_view("GET /\0hidden", 12));
    EXPECT_EQ(slot.last_request(), "GET /");
    slot.set_last_request({});
    EXPECT_EQ(slot.last_request(), "");
}

TEST(Scoreboard, OutlivesTheProcessThatWroteIt) {
    Scoreboard board(2);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        board.slot(1).tick_ms = 42;
        board.slot(1).requests += 7;
        board.slot(1).set_last_request("GET /big.tar HTTP/1.1");
        _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(board.slot(1).tick_ms, 42U);
    EXPECT_EQ(board.slot(1).requests, 7U);
    EXPECT_EQ(board.slot(1).last_request(), "GET /big.tar HTTP/1.1");
    EXPECT_EQ(board.slot(0).requests, 0U);
}

// Reading while another thread (as well as another process: the memory is the same) writes is no
// data race, and what is read is made of what was written.
TEST(Scoreboard, IsReadWhileItIsWritten) {
    Scoreboard board(1);
    ScoreSlot& slot = board.slot(0);
    std::atomic<bool> done{false};
    std::thread writer([&] {
        const std::string a(200, 'a');
        const std::string b(100, 'b');
        for (unsigned i = 0; i < 20'000; ++i) {
            slot.set_last_request(i % 2 == 0 ? a : b);
            slot.tick_ms.store(i, std::memory_order_relaxed);
        }
        done = true;
    });
    std::uint64_t last_tick = 0;
    while (!done) {
        const std::string line = slot.last_request();
        EXPECT_LE(line.size(), 200U);
        EXPECT_EQ(line.find_first_not_of("ab"), std::string::npos);
        const std::uint64_t tick = slot.tick_ms.load(std::memory_order_relaxed);
        EXPECT_GE(tick, last_tick);
        last_tick = tick;
    }
    writer.join();
    EXPECT_EQ(slot.last_request(), std::string(100, 'b'));
}

TEST(ScoreboardDeathTest, RefusesToHaveNoSlot) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(Scoreboard(0), "broken invariant");
    EXPECT_DEATH(Scoreboard(limits::kMaxWorkers + 1), "broken invariant");
}

} // namespace
} // namespace fsrv
