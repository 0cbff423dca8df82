#include "supervisor/scaling.h"

#include <gtest/gtest.h>
#include <vector>

namespace fsrv {
namespace {

constexpr std::uint64_t kPerWorker = 64;
constexpr WorkerRange kRange{.least = 1, .most = 6};

// What is seen from the last row on until `until_ms`, every kLookMs, and the number at the end.
struct Row {
    std::uint64_t until_ms;
    std::uint64_t requests; // in all workers
    std::uint64_t lag_ms;
    unsigned expected;
    unsigned busiest_core = 0;   // thousandths
    std::uint64_t all_cores = 0; // likewise
};

unsigned run(const std::vector<Row>& rows, unsigned wanted = 1) {
    Scaling scaling;
    std::uint64_t now = 1'000'000;
    const std::uint64_t begin = now;
    for (const Row& row : rows) {
        for (; now < begin + row.until_ms; now = scaling.next_look()) {
            EXPECT_TRUE(scaling.is_due(now));
            wanted = scaling.look(kRange, wanted,
                                  {.ready = wanted,
                                   .requests = row.requests,
                                   .lag_ms = row.lag_ms,
                                   .busiest_core = row.busiest_core,
                                   .all_cores = row.all_cores,
                                   .per_worker = kPerWorker},
                                  now);
            EXPECT_FALSE(scaling.is_due(now));
        }
        EXPECT_EQ(wanted, row.expected) << "at " << row.until_ms;
    }
    return wanted;
}

TEST(Scaling, ManyRequestsDoubleTheNumberUpToTheMost) {
    run({{500, 65, 0, 1},
         {1'000, 65, 0, 2},
         {2'000, 300, 0, 4},
         {3'000, 300, 0, 6},
         {9'000, 9'999, 0, 6}});
}

TEST(Scaling, ALateLoopDoesSoToo) {
    run({{1'000, 1, 50, 2}, {2'000, 1, 49, 2}, {3'000, 1, 5'000, 4}});
}

TEST(Scaling, ACoreThatIsUsedUpDoesSoHoweverFewTheRequests) {
    run({{1'000, 1, 0, 2, 801, 801}, {9'000, 1, 0, 2, 800, 800}, {10'000, 30, 0, 4, 950, 1'900}});
    run({{9'000, 30, 0, 6, 1'000, 1'000}});
}

// Thirty downloads that stay where they are keep that worker's core busy, and the others idle.
TEST(Scaling, NoWorkerGoesWhileTheOthersCouldNotDoItsWork) {
    run({{300'000, 0, 0, 4, 601, 601}}, 4);
    run({{300'000, 0, 0, 2, 600, 600}}, 4);
    run({{300'000, 0, 0, 3, 500, 801}}, 3); // 800 is half of what two may want
    run({{30'500, 0, 0, 2, 500, 800}}, 3);
    run({{300'000, 0, 0, 2, 401, 401}}, 2);
    run({{30'500, 0, 0, 1, 400, 400}}, 2);
}

// One that goes is not called back: what the rest then has to do is at most half of what is busy.
TEST(Scaling, TheSameLoadDoesNotMakeItGoUpAndDown) {
    for (std::uint64_t core = 0; core <= 1'000; core += 25) {
        Scaling scaling;
        unsigned wanted = 1, changes = 0, last_direction = 0;
        for (std::uint64_t now = 1'000'000; now < 2'000'000; now = scaling.next_look()) {
            const auto busiest = static_cast<unsigned>(core); // however many there are
            const unsigned next = scaling.look(kRange, wanted,
                                               {.ready = wanted,
                                                .requests = 10,
                                                .busiest_core = busiest,
                                                .all_cores = core,
                                                .per_worker = kPerWorker},
                                               now);
            const unsigned direction = next > wanted ? 1 : next < wanted ? 2 : 0;
            if (direction != 0 && direction != last_direction) ++changes;
            if (direction != 0) last_direction = direction;
            wanted = next;
        }
        EXPECT_LE(changes, 1U) << core;
    }
}

TEST(CoreUse, IsWhatAProcessGotAndWaitedForOfTheTime) {
    struct Look {
        std::optional<std::uint64_t> wanted_ms;
        std::uint64_t now_ms;
        unsigned expected;
    };
    constexpr std::uint64_t kHour = 3'600'000;
    const Look looks[] = {
        {7'000, 1'000, 0},         // the first
        {7'500, 1'500, 1'000},     // all of it
        {7'900, 2'000, 800},       //
        {7'900, 2'500, 0},         // idle
        {7'901, 12'500, 0},        // nearly so, and a late look
        {9'901, 13'500, 2'000},    // all threads of it, where nothing better is told
        {std::nullopt, 14'000, 0}, // not told
        {20'000, 14'500, 0},       // the first one again
        {20'500, 14'500, 0},       // no time has passed
        {20'400, 15'000, 0},       // another process
        {20'400 + kHour, 15'000 + kHour, 1'000},
    };
    CoreUse use;
    for (const Look& look : looks) {
        std::optional<std::uint64_t> ns;
        if (look.wanted_ms) ns = *look.wanted_ms * 1'000'000;
        EXPECT_EQ(use.look(ns, look.now_ms), look.expected) << look.now_ms;
    }
}

TEST(Scaling, AMomentIsNoLoad) {
    run({{500, 9'999, 0, 1},
         {1'000, 0, 0, 1},
         {1'500, 0, 900, 1},
         {2'000, 0, 0, 1},
         {2'500, 9'999, 0, 1}});
}

TEST(Scaling, AfterEachQuietTimeThereIsOneLess) {
    run({{30'000, 0, 0, 6},
         {30'500, 0, 0, 5},
         {60'000, 0, 0, 5},
         {60'500, 0, 0, 4},
         {300'000, 0, 0, 1}},
        6);
}

TEST(Scaling, QuietIsFarFromBusyForOneWorkerLess) {
    const std::uint64_t just_quiet = kPerWorker / 2; // of two workers
    run({{30'500, just_quiet, 0, 1}}, 2);
    run({{300'000, just_quiet + 1, 0, 2}}, 2);
    run({{300'000, 0, kBusyLagMs / 2, 2}}, 2);
}

TEST(Scaling, ABusyMomentBeginsTheQuietTimeAnew) {
    run({{29'000, 0, 0, 3}, {29'500, 150, 0, 3}, {59'000, 0, 0, 3}, {60'000, 0, 0, 2}}, 3);
}

TEST(Scaling, NothingIsConcludedWhileWorkersAreOnTheirWay) {
    Scaling scaling;
    for (std::uint64_t now = 1'000; now < 100'000; now += kLookMs)
        EXPECT_EQ(scaling.look(kRange, 4, {.ready = 3, .requests = 9'999, .lag_ms = 999}, now), 4U);
    EXPECT_EQ(scaling.look(kRange, 1, {.ready = 0}, 100'000), 1U);
}

TEST(Scaling, ANumberSetByHandIsWhereItGoesOnFrom) {
    run({{1'000, 9'999, 0, 6}}, 5);
    run({{30'500, 0, 0, 4}}, 5);
}

} // namespace
} // namespace fsrv
