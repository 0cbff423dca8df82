#include "supervisor/watchdog.h"

#include "supervisor/process_ops.h"

#include <gtest/gtest.h>

namespace fsrv {
namespace {

using Beat = Watchdog::Beat;

TEST(Watchdog, NobodyWhoWaitsIsToldNothing) {
    Watchdog watchdog(0);
    EXPECT_EQ(watchdog.next_deadline(), kNever);
    EXPECT_EQ(watchdog.on_time(true, 1'000'000), Beat::none);
    EXPECT_EQ(watchdog.next_deadline(), kNever);
}

TEST(Watchdog, ASignOfLifeComesAtHalfOfTheTime) {
    Watchdog watchdog(15'000);
    std::uint64_t now = 1'000'000;
    EXPECT_LE(watchdog.next_deadline(), now) << "the first one at once";
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(watchdog.on_time(true, now), Beat::alive);
        EXPECT_EQ(watchdog.next_deadline(), now + 7'500);
        EXPECT_EQ(watchdog.on_time(true, now + 7'499), Beat::none);
        now += 7'500;
    }
}

TEST(Watchdog, AManagerInAHurryDoesNotMakeTheLoopSpin) {
    Watchdog watchdog(1);
    EXPECT_EQ(watchdog.on_time(true, 1'000), Beat::alive);
    EXPECT_GE(watchdog.next_deadline(), 1'005U);
}

TEST(Watchdog, WithoutAnybodyWhoServesHopeLastsAMinute) {
    Watchdog watchdog(10'000);
    std::uint64_t now = 1'000'000;
    EXPECT_EQ(watchdog.on_time(true, now), Beat::alive);
    const std::uint64_t served = now;
    unsigned signs = 0;
    for (; now - served < kHopelessMs; now = watchdog.next_deadline())
        signs += watchdog.on_time(false, now) == Beat::alive ? 1 : 0;
    EXPECT_EQ(signs, kHopelessMs / 5'000 - 1);
    EXPECT_EQ(watchdog.on_time(false, now), Beat::gives_up);
    now = watchdog.next_deadline();
    EXPECT_EQ(watchdog.on_time(false, now), Beat::none) << "it is said once";
    now = watchdog.next_deadline();
    EXPECT_EQ(watchdog.on_time(true, now), Beat::alive) << "somebody serves again";
    EXPECT_EQ(watchdog.on_time(false, now + 5'000), Beat::alive) << "a minute anew";
}

TEST(Watchdog, TheMinuteBeginsWithTheStart) {
    Watchdog watchdog(10'000);
    EXPECT_EQ(watchdog.on_time(false, 5'000'000), Beat::alive);
    EXPECT_EQ(watchdog.on_time(false, 5'000'000 + kHopelessMs - 1), Beat::alive);
    EXPECT_EQ(watchdog.on_time(false, 5'000'000 + 2 * kHopelessMs), Beat::gives_up);
}

} // namespace
} // namespace fsrv
