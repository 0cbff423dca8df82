#include "common/scoreboard.h"

#include <gtest/gtest.h>
#include <set>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace fsrv {
namespace {

ProcessRow row(unsigned score) {
    return {.state = ProcessState::ready, .score = score, .pid = 4711};
}

TEST(Scoreboard, StartsWithNothing) {
    Scoreboard board(3);
    const unsigned i = board.take().value();
    EXPECT_EQ(board.slot(i).tick_ms, 0U);
    EXPECT_EQ(board.slot(i).value(Metric::connections), 0U);
    EXPECT_EQ(board.slot(i).last_request(), "");
    const auto reading = board.read();
    ASSERT_TRUE(reading);
    EXPECT_TRUE(reading->processes.empty());
    for (const MetricSpec& spec : metric_table()) EXPECT_EQ(reading->totals.sum(spec.id), 0U);
}

TEST(Scoreboard, HasSlotsForAllWorkersAndForMoreThatDrain) {
    constexpr unsigned kWorkers = 4;
    Scoreboard board(kWorkers);
    std::set<unsigned> slots;
    while (const auto slot = board.take()) EXPECT_TRUE(slots.insert(*slot).second);
    EXPECT_EQ(slots.size(), board.size());
    EXPECT_GE(slots.size(), 2 * kWorkers);
    const unsigned last = *slots.rbegin();
    board.slot(last).set_last_request("GET / HTTP/1.1");
    EXPECT_EQ(board.slot(last).last_request(), "GET / HTTP/1.1");
    board.retire(last);
    EXPECT_EQ(board.take(), last);
    EXPECT_EQ(board.slot(last).last_request(), "") << "a new process begins anew";
}

TEST(Scoreboard, FoldsCountersOfAProcessThatEndedAndForgetsItsGauges) {
    Scoreboard board(2);
    const unsigned dead = board.take().value();
    const unsigned alive = board.take().value();
    board.publish({}, std::vector{row(dead), row(alive)});
    for (const unsigned i : {dead, alive}) {
        board.slot(i).count(Metric::cold_reads, 5);
        board.slot(i).count(Metric::sent_bytes, SendPath::pool, 1'000);
        board.slot(i).count(Metric::requests, Asked::head, StatusClass::client_error);
        board.slot(i).set(Metric::connections, 7);
        board.slot(i).observe(Metric::loop_lag, 3);
    }
    const auto expect_totals = [&](std::uint64_t connections) {
        const MetricTotals totals = board.read().value().totals;
        EXPECT_EQ(totals.value(Metric::cold_reads), 10U);
        EXPECT_EQ(totals.value(Metric::sent_bytes, SendPath::pool), 2'000U);
        EXPECT_EQ(totals.value(Metric::sent_bytes, SendPath::memory), 0U);
        EXPECT_EQ(totals.word(Metric::requests, 1 * kValuesOf<StatusClass> + 2), 2U);
        EXPECT_EQ(totals.sum(Metric::requests), 2U);
        EXPECT_EQ(totals.sum(Metric::loop_lag), 2U + 6U) << "observations and their sum";
        EXPECT_EQ(totals.value(Metric::connections), connections);
    };
    expect_totals(14);
    board.retire(dead);
    expect_totals(7);
    board.publish({}, std::vector{row(alive)});
    expect_totals(7);
    board.retire(alive);
    expect_totals(0);
    EXPECT_EQ(board.slot(alive).value(Metric::cold_reads), 0U);
}

TEST(Scoreboard, TellsWhatWasPublished) {
    Scoreboard board(4);
    const ServerRow server{
        .pid = 1, .started_s = 2, .started_ms = 3, .generation = 4, .workers = 5, .draining = true};
    const std::vector<ProcessRow> rows{
        {.state = ProcessState::silent,
         .slot = 1,
         .score = board.take().value(),
         .generation = 4,
         .pid = 6},
        {.state = ProcessState::failed, .slot = 2, .spawned_ms = 9},
        {.state = ProcessState::ready, .admin = true, .score = board.take().value(), .pid = 8}};
    board.publish(server, rows);
    const auto reading = board.read();
    ASSERT_TRUE(reading);
    EXPECT_EQ(reading->server, server);
    ASSERT_EQ(reading->processes.size(), rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(reading->processes[i].row, rows[i]);
}

TEST(MetricWords, AnObservationIsInTheFirstBucketThatHoldsIt) {
    const auto bounds = shape_of(Metric::loop_lag).bounds;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        for (const std::uint64_t more : {0, 1}) {
            MetricWords words;
            words.observe(Metric::loop_lag, bounds[i] + more);
            MetricTotals totals;
            words.add_to(totals);
            EXPECT_EQ(totals.word(Metric::loop_lag, i + more), 1U);
            EXPECT_EQ(totals.word(Metric::loop_lag, bounds.size() + 1), bounds[i] + more);
        }
    }
}

TEST(MetricWords, AGaugeGoesUpAndDown) {
    MetricWords words;
    words.raise(Metric::pool_jobs);
    words.raise(Metric::pool_jobs);
    words.lower(Metric::pool_jobs);
    EXPECT_EQ(words.value(Metric::pool_jobs), 1U);
    words.lower(Metric::pool_jobs);
    EXPECT_EQ(words.value(Metric::pool_jobs), 0U);
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
    const unsigned i = board.take().value();
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        board.slot(i).tick_ms = 42;
        board.slot(i).count(Metric::cold_reads, 7);
        board.slot(i).set_last_request("GET /big.tar HTTP/1.1");
        _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(board.slot(i).tick_ms, 42U);
    EXPECT_EQ(board.slot(i).value(Metric::cold_reads), 7U);
    EXPECT_EQ(board.slot(i).last_request(), "GET /big.tar HTTP/1.1");
}

// Reading while another thread (as well as another process: the memory is the same) writes is no
// data race, and what is read is made of what was written.
TEST(Scoreboard, IsReadWhileItIsWritten) {
    Scoreboard board(1);
    ScoreSlot& slot = board.slot(board.take().value());
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

TEST(Scoreboard, TotalsNeverGoDownWhileProcessesComeAndGo) {
    Scoreboard board(1);
    std::atomic<bool> done{false};
    constexpr std::uint64_t kLives = 500;
    std::thread supervisor([&] {
        for (std::uint64_t life = 0; life < kLives; ++life) {
            const unsigned i = board.take().value();
            board.publish({.generation = life}, std::vector{row(i)});
            board.slot(i).count(Metric::cold_reads, 3);
            board.retire(i);
        }
        done = true;
    });
    std::uint64_t last = 0;
    unsigned readings = 0;
    while (!done) {
        const auto reading = board.read();
        if (!reading) continue;
        ++readings;
        const std::uint64_t now = reading->totals.value(Metric::cold_reads);
        ASSERT_GE(now, last);
        last = now;
    }
    supervisor.join();
    EXPECT_GT(readings, 0U);
    EXPECT_EQ(board.read().value().totals.value(Metric::cold_reads), 3 * kLives);
}

TEST(ScoreboardDeathTest, RefusesToHaveNoSlot) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_GE(Scoreboard(limits::kMaxWorkers).size(), limits::kMaxWorkers);
    EXPECT_DEATH(Scoreboard(0), "broken invariant");
    EXPECT_DEATH(Scoreboard(limits::kMaxWorkers + 1), "broken invariant");
}

} // namespace
} // namespace fsrv
