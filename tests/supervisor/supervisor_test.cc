// The loop: the start, when it sleeps, signals.

#include "tests/supervisor/supervisor_world.h"

#include <cerrno>

namespace fsrv {
namespace {

// --- starting

TEST_F(SupervisorTest, StartsAllWorkersAtOnceAndSaysSoWhenTheLastIsReady) {
    turn();
    EXPECT_EQ(ops_.alive.size(), 3U);
    become_ready(0);
    become_ready(2);
    EXPECT_TRUE(started_with_.empty());
    become_ready(1);
    EXPECT_EQ(started_with_, std::vector{3U});
    die(1);
    turn();
    become_ready(1);
    EXPECT_EQ(started_with_.size(), 1U) << "once";
}

TEST_F(SupervisorTest, NobodyIsToldToHelpOutWhileTheStartGoesOn) {
    turn();
    become_ready(0);
    EXPECT_EQ(ops_.heard(pid(0)), Words{});
    become_ready(1);
    become_ready(2);
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(ops_.heard(pid(i)), Words{}) << i;
}

TEST_F(SupervisorTest, WorkersThatRefuseTheConfigurationEndTheServerWith2) {
    turn();
    for (unsigned i = 0; i < 3; ++i) die(i, exited(kExitUsage));
    EXPECT_EQ(turn(), kExitUsage);
    EXPECT_EQ(ops_.spawn_times.size(), 3U) << "not tried again";
    EXPECT_TRUE(started_with_.empty());
}

TEST_F(SupervisorTest, WorkersThatAllDieBeforeTheyAreReadyEndTheServerWith1) {
    std::optional<int> status;
    for (int i = 0; i < 1000 && !status; ++i) {
        status = turn_after(50);
        for (unsigned slot = 0; slot < 3 && !status; ++slot)
            if (pid(slot) != 0) die(slot, exited(kExitFailure));
    }
    EXPECT_EQ(status, kExitFailure);
    EXPECT_EQ(ops_.spawn_times.size(), 3 * kStartAttempts);
    EXPECT_TRUE(ops_.alive.empty());
}

TEST_F(SupervisorTest, OneSlotThatCannotStartDoesNotHoldUpTheOthers) {
    turn();
    become_ready(0);
    become_ready(1);
    for (int i = 0; i < 1000 && started_with_.empty(); ++i) {
        if (pid(2) != 0) die(2, exited(1));
        EXPECT_EQ(turn_after(50), std::nullopt);
    }
    EXPECT_EQ(started_with_, std::vector{2U});
    const Words heard = ops_.heard(pid(0));
    EXPECT_EQ(std::count(heard.begin(), heard.end(), "serve 2"), 1);
    EXPECT_EQ(std::count(heard.begin(), heard.end(), "unserve 2"), 0);
}

TEST_F(SupervisorTest, ForksThatFailAreRetriedWithADelayAndThenEndTheServer) {
    ops_.spawn_error = EAGAIN;
    const auto status = turn_after(60'000);
    EXPECT_EQ(status, kExitFailure);
    EXPECT_EQ(ops_.spawn_times.size(), 3 * kStartAttempts);
    EXPECT_EQ(ops_.spawn_times.back() - ops_.spawn_times.front(), 100U + 200 + 400 + 800);
}

TEST_F(SupervisorTest, AStartThatCannotBeAnnouncedEndsWith1) {
    start_works_ = false;
    turn();
    for (unsigned i = 0; i < 3; ++i) ops_.say(pid(i), ControlKind::ready);
    EXPECT_EQ(turn(), std::nullopt) << "it waits for them to end";
    EXPECT_EQ(ops_.killed.size(), 3U);
    EXPECT_EQ(turn(), kExitFailure);
}

TEST_F(SupervisorTest, AWorkerThatNeverGetsReadyIsReplaced) {
    turn();
    become_ready(0);
    become_ready(1);
    const pid_t stuck = pid(2);
    turn_after(limits::kStartTimeoutMs + limits::kAbortToKillMs);
    EXPECT_EQ(signals_to(stuck), (std::vector{SIGABRT, SIGKILL}));
    turn();
    EXPECT_NE(pid(2), stuck);
    EXPECT_NE(pid(2), 0);
}

// --- sleeping

TEST_F(SupervisorTest, ASupervisorThatSleptItselfKillsNobody) {
    start();
    ops_.now += 3'600'000; // all were stopped, or the machine slept
    turn();
    EXPECT_TRUE(ops_.killed.empty());
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(state(i), SlotState::ready);
}

TEST_F(SupervisorTest, TheLoopSleepsUntilTheNextDeadlineAndNotLess) {
    start();
    unsigned turns = 0;
    for (const std::uint64_t end = ops_.now + 60'000; ops_.now < end; ++turns) {
        ASSERT_GT(supervisor_->next_deadline(), ops_.now);
        ops_.now = supervisor_->next_deadline();
        beat();
        turn();
    }
    EXPECT_LE(turns, 60'000 / limits::kCoverMs + 1) << "an idle server wakes up every two seconds";
}

// --- signals

TEST_F(SupervisorTest, SignalsKeptForLaterChangeNothing) {
    start();
    for (const int signal : {SIGCHLD}) {
        ops_.signals.push_back(signal);
        EXPECT_EQ(turn(), std::nullopt);
    }
    EXPECT_TRUE(ops_.killed.empty());
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(ops_.heard(pid(i)), Words{});
}

TEST_F(SupervisorTest, Usr1WithoutALogFileDoesNothing) {
    start();
    ops_.signals.push_back(SIGUSR1);
    turn();
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(ops_.heard(pid(i)), Words{});
}

} // namespace
} // namespace fsrv
