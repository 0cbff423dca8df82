#include "common/scoreboard.h"

#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <set>
#include <sys/mman.h>
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

TEST(Scoreboard, TellsOfTheFirstCertificatesUntilThereAreOthers) {
    Scoreboard board(1);
    EXPECT_TRUE(board.read().value().certificates.empty());
    std::vector<CertificateRow> rows{{"/etc/a.pem", 1'800'000'000}, {"auto", -1}};
    board.publish(rows);
    EXPECT_EQ(board.read().value().certificates, rows);
    rows.assign(limits::kShownCertificates + 5, {std::string(1000, 'x'), 1});
    board.publish(rows);
    const auto shown = board.read().value().certificates;
    ASSERT_EQ(shown.size(), limits::kShownCertificates);
    EXPECT_EQ(shown.back().name, std::string(limits::kShownCertificateBytes - 1, 'x'));
    board.publish(std::span<const CertificateRow>());
    EXPECT_TRUE(board.read().value().certificates.empty());
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
        for (const std::uint64_t more : {0U, 1U}) {
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

// Who took a worker over could stop all readers by the head, and have a neighbour killed by its
// heartbeat.
TEST(Scoreboard, AChildWritesToItsOwnSlotAlone) {
    Scoreboard board(2);
    const unsigned before = board.take().value(), own = board.take().value(),
                   behind = board.take().value();
    const auto in_child = [&](const std::function<bool()>& attempt) {
        const pid_t child = fork();
        if (child == 0) {
            board.keep_only(own);
            _exit(attempt() ? 0 : 1);
        }
        int status = -1;
        waitpid(child, &status, 0);
        return status;
    };
    EXPECT_EQ(in_child([&] {
                  board.slot(own).tick_ms = 42;
                  return board.slot(before).tick_ms == 0 && board.fd() < 0;
              }),
              0);
    EXPECT_EQ(board.slot(own).tick_ms, 42U);
    auto* const slots = reinterpret_cast<char*>(&board.slot(0));
    const std::pair<const char*, char*> foreign[] = {
        {"the head", slots - kSharedPage},
        {"a neighbour", reinterpret_cast<char*>(&board.slot(before))},
        {"another", reinterpret_cast<char*>(&board.slot(behind))}};
    for (const auto& [name, page] : foreign) {
        EXPECT_NE(in_child([page = page] {
                      *static_cast<volatile char*>(page) = 1;
                      return true;
                  }),
                  0)
            << name;
        EXPECT_EQ(in_child([page = page] {
                      return mprotect(page, kSharedPage, PROT_READ | PROT_WRITE) != 0 &&
                             errno == EACCES;
                  }),
                  0)
            << name;
    }
}

// What lies in shared memory is not what the supervisor goes on from.
TEST(Scoreboard, WhatIsWrittenIntoTheHeadIsNotBelieved) {
    Scoreboard board(1);
    const unsigned first = board.take().value();
    board.slot(first).count(Metric::cold_reads, 3);
    board.retire(first);
    auto* const head = reinterpret_cast<SharedWord*>(&board.slot(0)) -
                       3 * kSharedPage / sizeof(SharedWord); // in front of its rows
    constexpr std::size_t kSequence = 2;
    constexpr std::size_t kCertificates =
        limits::kShownCertificates * (limits::kShownCertificateBytes + sizeof(SharedWord));
    static_assert((kMetricWords + 11) * sizeof(SharedWord) + kCertificates <= 2 * kSharedPage,
                  "two pages for the head");
    ASSERT_EQ(head[kSequence] % 2, 0U);
    head[kSequence].fetch_add(1);
    EXPECT_FALSE(board.read());
    board.publish({}, {});
    const auto reading = board.read();
    ASSERT_TRUE(reading) << "the next change sets it right";
    EXPECT_EQ(reading->totals.value(Metric::cold_reads), 3U);
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

UniqueFd memory_of(const Scoreboard& board) {
    return UniqueFd(dup(board.fd()));
}

TEST(ScoreView, ShowsWhatTheBoardHasAndOutlivesIt) {
    std::optional<Scoreboard> board(2);
    ASSERT_GE(board->fd(), 0);
    auto view = ScoreView::open(memory_of(*board));
    ASSERT_TRUE(view) << view.error();
    const unsigned i = board->take().value();
    board->slot(i).count(Metric::cold_reads, 7);
    board->slot(i).transfers[3].begin({.id = 1, .total = 9, .client = "c", .target = "/t"});
    board->publish({.pid = 4, .generation = 2}, std::vector{row(i)});
    const auto look = [&] {
        const auto reading = view->read();
        ASSERT_TRUE(reading);
        EXPECT_EQ(reading->server.generation, 2U);
        EXPECT_EQ(reading->totals.value(Metric::cold_reads), 7U);
        ASSERT_EQ(reading->processes.size(), 1U);
        ASSERT_EQ(reading->processes[0].transfers.size(), 1U);
        EXPECT_EQ(reading->processes[0].transfers[0].target, "/t");
    };
    look();
    board.reset();
    look();
    ScoreView moved(std::move(*view));
    view = std::move(moved);
    look();
}

TEST(ScoreView, NobodyElseCanWriteThereOrTakeItAway) {
    const Scoreboard board(1);
    const UniqueFd memory = memory_of(board);
    const auto size = static_cast<std::size_t>(lseek(memory.get(), 0, SEEK_END));
    EXPECT_EQ(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0), MAP_FAILED);
    void* read_only = mmap(nullptr, size, PROT_READ, MAP_SHARED, memory.get(), 0);
    ASSERT_NE(read_only, MAP_FAILED);
    EXPECT_NE(mprotect(read_only, size, PROT_READ | PROT_WRITE), 0);
    munmap(read_only, size);
    EXPECT_LT(pwrite(memory.get(), "x", 1, 0), 0);
    EXPECT_NE(ftruncate(memory.get(), 0), 0);
    EXPECT_NE(fallocate(memory.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
    EXPECT_NE(fcntl(memory.get(), F_ADD_SEALS, F_SEAL_WRITE), 0) << "nor lock the writers out";
}

TEST(ScoreView, RefusesWhatIsNoBoardOfThisBuild) {
    const auto memory = [](std::size_t size, bool sealed, std::string_view bytes) {
        UniqueFd fd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(size)), 0);
        EXPECT_EQ(pwrite(fd.get(), bytes.data(), bytes.size(), 0),
                  static_cast<ssize_t>(bytes.size()));
        EXPECT_EQ(fcntl(fd.get(), F_ADD_SEALS, sealed ? F_SEAL_SHRINK : 0), 0);
        return fd;
    };
    Scoreboard board(2);
    std::string copy(static_cast<std::size_t>(lseek(board.fd(), 0, SEEK_END)), '\0');
    ASSERT_EQ(pread(board.fd(), copy.data(), copy.size(), 0), static_cast<ssize_t>(copy.size()));
    EXPECT_TRUE(ScoreView::open(memory(copy.size(), true, copy)));
    EXPECT_FALSE(ScoreView::open(memory(copy.size(), false, copy))) << "it could be cut off";
    EXPECT_FALSE(ScoreView::open(memory(copy.size() - 4096, true, copy.substr(0, 4096))));
    EXPECT_FALSE(ScoreView::open(memory(0, true, "")));
    EXPECT_FALSE(ScoreView::open(memory(8, true, copy.substr(0, 8))));
    std::string other_build = copy, no_size = copy;
    other_build[3] = static_cast<char>(other_build[3] + 1);
    no_size[8] = 0;
    EXPECT_FALSE(ScoreView::open(memory(copy.size(), true, other_build)));
    EXPECT_FALSE(ScoreView::open(memory(copy.size(), true, no_size)));
    EXPECT_FALSE(ScoreView::open(UniqueFd()));
    EXPECT_FALSE(ScoreView::open(UniqueFd(open("/dev/zero", O_RDONLY | O_CLOEXEC))));
}

TEST(ScoreboardDeathTest, RefusesToHaveNoSlot) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_GE(Scoreboard(limits::kMaxWorkers).size(), limits::kMaxWorkers);
    EXPECT_DEATH(Scoreboard(0), "broken invariant");
    EXPECT_DEATH(Scoreboard(limits::kMaxWorkers + 1), "broken invariant");
}

} // namespace
} // namespace fsrv
