// Workers that die, leave and hang.

#include "tests/supervisor/supervisor_world.h"

#include <cerrno>
#include <fcntl.h>

namespace fsrv {
namespace {

// --- dying

TEST_F(SupervisorTest, ADeadWorkerIsReplacedInTheSameTurn) {
    start();
    const pid_t dead = pid(1);
    die(1);
    turn();
    EXPECT_EQ(state(1), SlotState::starting);
    EXPECT_NE(pid(1), dead);
}

TEST_F(SupervisorTest, WhileASlotHasNoWorkerTheNextOneServesIt) {
    start();
    die(1);
    turn();
    EXPECT_EQ(ops_.heard(pid(2)), Words{"serve 1"});
    EXPECT_EQ(ops_.heard(pid(0)), Words{});
    EXPECT_EQ(ops_.heard(pid(1)), Words{}) << "its own it serves untold";
    become_ready(1);
    EXPECT_EQ(ops_.heard(pid(2)), Words{"unserve 1"});
}

TEST_F(SupervisorTest, ANeighbourThatDiesItselfHandsOnWhatItServed) {
    start();
    die(1);
    turn();
    ops_.heard(pid(2));
    die(2);
    turn();
    EXPECT_EQ(ops_.heard(pid(0)), (Words{"serve 1", "serve 2"}));
    become_ready(1);
    EXPECT_EQ(ops_.heard(pid(0)), (Words{"unserve 1"}));
    become_ready(2);
    EXPECT_EQ(ops_.heard(pid(0)), (Words{"unserve 2"}));
}

TEST_F(SupervisorTest, ManyDeathsInOneTurnAreAllSeen) {
    start();
    for (unsigned i = 0; i < 3; ++i) die(i);
    ops_.ended.push_back({.pid = 1, .status = {}}); // an orphan, if we are process 1
    turn();
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(state(i), SlotState::starting) << i;
}

// As a worker would have counted on its seat; a fresh one gets the first that is free.
TEST_F(SupervisorTest, WhatADeadWorkerHadCountedOfClientsIsGivenBack) {
    EXPECT_FALSE(clients_.is_open()) << "nobody is limited";
    options_.client_connections = 1;
    make();
    start();
    ASSERT_TRUE(clients_.is_open());
    EXPECT_EQ(clients_.claim_seat(), 3U) << "each worker has one";
    ClientTable worker;
    worker.inherit(UniqueFd(fcntl(clients_.fd(), F_DUPFD_CLOEXEC, 0)));
    worker.open();
    worker.sit_down(1);
    const ClientTable::Place place = worker.hold_place(worker.key_of_user("ann"), 1'000);
    EXPECT_EQ(clients_.count(worker.key_of_user("ann")), 1U);
    die(1);
    turn();
    EXPECT_EQ(clients_.count(worker.key_of_user("ann")), 0U);
    EXPECT_EQ(clients_.claim_seat(), 4U) << "its successor has the seat";
}

TEST_F(SupervisorTest, ACrashLoopIsSlowedDownAndTheOthersAreLeftAlone) {
    start();
    const pid_t healthy = pid(0);
    ops_.spawn_times.clear();
    const std::uint64_t begin = ops_.now;
    while (ops_.spawn_times.size() < 12) {
        if (pid(1) != 0) {
            ops_.say(pid(1), ControlKind::ready);
            turn();
            die(1);
        }
        turn_after(1);
    }
    const std::uint64_t least =
        100 + 200 + 400 + 800 + 1600 + 3200 + 6400 + 12800 + 25600 + 30000 + 30000;
    EXPECT_GE(ops_.now - begin, least);
    EXPECT_LE(ops_.now - begin, least + 100);
    EXPECT_EQ(pid(0), healthy);
}

TEST_F(SupervisorTest, WhenAllCrashAgainAndAgainOneIsBackWithinASecond) {
    start();
    for (int round = 0; round < 20; ++round) {
        for (unsigned i = 0; i < 3; ++i)
            if (pid(i) != 0) die(i);
        const std::uint64_t begin = ops_.now;
        turn();
        while (ops_.alive.empty()) turn_after(1);
        EXPECT_LE(ops_.now - begin, kAloneRespawnMs);
        for (unsigned i = 0; i < 3; ++i)
            if (pid(i) != 0) ops_.say(pid(i), ControlKind::ready);
        turn();
    }
}

TEST_F(SupervisorTest, AForkThatFailsLaterIsRetriedWhileTheOthersServe) {
    start();
    ops_.spawn_error = ENOMEM;
    die(1);
    turn();
    EXPECT_EQ(ops_.heard(pid(2)), Words{"serve 1"});
    turn_after(5'000);
    EXPECT_EQ(pid(1), 0);
    ops_.spawn_error = 0;
    turn_after(limits::kMaxRespawnMs);
    EXPECT_NE(pid(1), 0);
}

// --- leaving

TEST_F(SupervisorTest, AWorkerThatLeavesGetsASuccessorWhileItFinishes) {
    start();
    const pid_t leaver = pid(1);
    ops_.say(leaver, ControlKind::leaving);
    turn();
    EXPECT_EQ(ops_.heard(pid(2)), Words{"serve 1"});
    turn_after(1);
    EXPECT_NE(pid(1), leaver);
    EXPECT_NE(pid(1), 0);
    become_ready(1);
    EXPECT_EQ(ops_.heard(pid(2)), Words{"unserve 1"});
    EXPECT_TRUE(ops_.killed.empty());
    ops_.end(leaver, exited(0));
    turn();
    EXPECT_EQ(state(1), SlotState::ready);
}

TEST_F(SupervisorTest, WhoLeavesAndEndsInOneBreathIsSeenOnce) {
    start();
    const pid_t leaver = pid(1);
    ops_.say(leaver, ControlKind::leaving);
    ops_.end(leaver, exited(0));
    turn();
    EXPECT_NE(pid(1), 0);
    EXPECT_NE(pid(1), leaver);
    ops_.signals.push_back(SIGTERM);
    turn();
    for (unsigned i = 0; i < 3; ++i) ops_.end(pid(i), exited(0));
    EXPECT_EQ(turn(), 0) << "nobody is still waited for";
}

TEST_F(SupervisorTest, WhoLeavesTooSlowlyIsKilled) {
    start();
    const pid_t leaver = pid(1);
    ops_.say(leaver, ControlKind::leaving);
    turn();
    turn_after(30'000);
    EXPECT_TRUE(signals_to(leaver).empty());
    turn_after(kOvertimeMs);
    EXPECT_EQ(signals_to(leaver), std::vector{SIGKILL});
    turn_after(60'000);
    EXPECT_EQ(signals_to(leaver).size(), 1U);
}

TEST_F(SupervisorTest, StoppingWaitsForThoseWhoLeaveToo) {
    start();
    const pid_t leaver = pid(1);
    ops_.say(leaver, ControlKind::leaving);
    turn();
    turn_after(1);
    ops_.signals.push_back(SIGTERM);
    turn();
    EXPECT_EQ(ops_.heard(leaver), Words{"drain 30000"});
    for (unsigned i = 0; i < 3; ++i) ops_.end(pid(i), exited(0));
    EXPECT_EQ(turn(), std::nullopt);
    ops_.end(leaver, exited(0));
    EXPECT_EQ(turn(), 0);
}

// --- hanging

TEST_F(SupervisorTest, ASilentWorkerIsCoveredLongBeforeItIsReplaced) {
    start();
    hanging_.insert(0);
    const pid_t hung = pid(0);
    turn_after(limits::kCoverMs);
    EXPECT_EQ(ops_.heard(pid(1)), Words{"serve 0"});
    EXPECT_TRUE(ops_.killed.empty());
    turn_after(30'000 - limits::kCoverMs);
    EXPECT_EQ(signals_to(hung), std::vector{SIGABRT});
    turn_after(limits::kAbortToKillMs);
    EXPECT_EQ(signals_to(hung), (std::vector{SIGABRT, SIGKILL}));
    hanging_.clear();
    turn();
    EXPECT_EQ(state(0), SlotState::starting);
    become_ready(0);
    EXPECT_EQ(ops_.heard(pid(1)), Words{"unserve 0"});
}

TEST_F(SupervisorTest, AWorkerThatWakesUpIsUncovered) {
    start();
    hanging_.insert(0);
    turn_after(10'000);
    EXPECT_EQ(ops_.heard(pid(1)), Words{"serve 0"});
    hanging_.clear();
    turn_after(limits::kTickMs);
    EXPECT_EQ(ops_.heard(pid(1)), Words{"unserve 0"});
    EXPECT_EQ(ops_.heard(pid(0)), Words{});
    EXPECT_TRUE(ops_.killed.empty());
}

} // namespace
} // namespace fsrv
