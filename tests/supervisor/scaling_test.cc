#include "supervisor/scaling.h"

#include <gtest/gtest.h>
#include <vector>

namespace fsrv {
namespace {

constexpr WorkerRange kRange{.least = 1, .most = 6};

// What is seen from the last row on until `until_ms`, every kLookMs, and the number at the end.
struct Row {
    std::uint64_t until_ms;
    std::uint64_t requests; // in all workers
    std::uint64_t lag_ms;
    unsigned expected;
};

unsigned run(const std::vector<Row>& rows, unsigned wanted = 1) {
    Scaling scaling;
    std::uint64_t now = 1'000'000;
    const std::uint64_t begin = now;
    for (const Row& row : rows) {
        for (; now < begin + row.until_ms; now = scaling.next_look()) {
            EXPECT_TRUE(scaling.is_due(now));
            wanted = scaling.look(kRange, wanted,
                                  {.ready = wanted, .requests = row.requests, .lag_ms = row.lag_ms},
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
    const std::uint64_t just_quiet = kBusyRequests / 2; // of two workers
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
