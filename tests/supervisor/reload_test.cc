// Reload: the next generation beside the one that serves.

#include "tests/supervisor/supervisor_world.h"

namespace fsrv {
namespace {

class Reload : public SupervisorTest {
  protected:
    void start() {
        SupervisorTest::start();
        old_ = pids();
    }
    std::vector<pid_t> pids() { return pids_of(supervisor_->current()); }
    std::vector<pid_t> next_pids() { return pids_of(*supervisor_->next()); }
    void hup() {
        ops_.signals.push_back(SIGHUP);
        turn();
    }
    void all_next_become_ready() {
        for (const pid_t pid : next_pids()) ops_.say(pid, ControlKind::ready);
        turn();
    }
    void old_ones_end() {
        for (const pid_t pid : old_) ops_.end(pid, exited(0));
        turn();
    }
    unsigned generation() { return supervisor_->current().number; }

    std::vector<pid_t> old_;
};

TEST_F(Reload, TheOldGenerationLeavesOnlyWhenAllOfTheNextIsReady) {
    start();
    hup();
    ASSERT_NE(supervisor_->next(), nullptr);
    const std::vector<pid_t> next = next_pids();
    ASSERT_EQ(next.size(), 3U);
    EXPECT_EQ(pids(), old_);
    ops_.say(next[0], ControlKind::ready);
    ops_.say(next[1], ControlKind::ready);
    turn();
    for (const pid_t pid : old_) EXPECT_EQ(ops_.heard(pid), Words{});
    EXPECT_EQ(generation(), 1U);
    ops_.say(next[2], ControlKind::ready);
    turn();
    for (const pid_t pid : old_) EXPECT_EQ(ops_.heard(pid), Words{"retire 30000"});
    EXPECT_EQ(pids(), next);
    EXPECT_EQ(generation(), 2U);
    EXPECT_EQ(supervisor_->next(), nullptr);
    old_ones_end();
    turn_after(60'000);
    EXPECT_EQ(pids(), next) << "nobody is started in the place of those who left";
    EXPECT_TRUE(ops_.killed.empty());
}

TEST_F(Reload, AConfigurationThatIsRefusedChangesNothing) {
    start();
    refusal_ = "fsrv.toml:3: port: expected a number";
    ops_.spawn_times.clear();
    hup();
    EXPECT_EQ(supervisor_->next(), nullptr);
    EXPECT_TRUE(ops_.spawn_times.empty());
    EXPECT_EQ(pids(), old_);
    EXPECT_EQ(verdicts_, Words{"not reloaded: fsrv.toml:3: port: expected a number"});
}

TEST_F(Reload, WorkersThatRefuseTheConfigurationAreThrownAwayAtTheFirst) {
    start();
    hup();
    const std::vector<pid_t> next = next_pids();
    ops_.say(next[0], ControlKind::ready); // this one may have clients already
    ops_.end(next[1], exited(kExitUsage));
    turn();
    EXPECT_EQ(supervisor_->next(), nullptr);
    EXPECT_EQ(ops_.heard(next[0]), Words{"retire 30000"});
    EXPECT_EQ(ops_.heard(next[2]), Words{"retire 10000"}) << "it was still starting";
    EXPECT_EQ(pids(), old_);
    for (const pid_t pid : old_) EXPECT_EQ(ops_.heard(pid), Words{});
    EXPECT_EQ(verdicts_.size(), 1U);
    ops_.end(next[0], exited(0));
    turn_after(10'000 + kOvertimeMs);
    EXPECT_EQ(signals_to(next[2]), std::vector{SIGKILL}) << "it hangs";
    EXPECT_TRUE(signals_to(next[0]).empty());
    EXPECT_EQ(generation(), 1U);
}

TEST_F(Reload, WorkersThatDieAgainAndAgainBeforeTheyAreReadyAreGivenUp) {
    start();
    hup();
    unsigned deaths = 0;
    for (int i = 0; i < 1000 && supervisor_->next() != nullptr; ++i) {
        const pid_t dying = supervisor_->next()->workers[1].slot.pid();
        if (dying != 0) {
            ops_.end(dying, SIGSEGV);
            ++deaths;
        }
        turn_after(50);
    }
    EXPECT_EQ(supervisor_->next(), nullptr);
    EXPECT_EQ(deaths, kStartAttempts);
    EXPECT_EQ(pids(), old_);
    EXPECT_EQ(verdicts_.size(), 1U);
}

TEST_F(Reload, AWorkerThatNeverGetsReadyEndsTheAttempt) {
    start();
    hup();
    const std::vector<pid_t> next = next_pids();
    ops_.say(next[0], ControlKind::ready);
    ops_.say(next[1], ControlKind::ready);
    turn_after(limits::kStartTimeoutMs + 1);
    EXPECT_EQ(supervisor_->next(), nullptr);
    EXPECT_EQ(signals_to(next[2]), std::vector{SIGABRT});
    turn_after(limits::kAbortToKillMs + 1);
    EXPECT_EQ(signals_to(next[2]), (std::vector{SIGABRT, SIGKILL}));
    EXPECT_EQ(pids(), old_);
}

TEST_F(Reload, AsksMadeMeanwhileAreOneReloadAfterwards) {
    start();
    hup();
    for (int i = 0; i < 100; ++i) hup();
    EXPECT_EQ(loads_, 1U);
    all_next_become_ready();
    EXPECT_EQ(generation(), 2U);
    EXPECT_EQ(loads_, 2U);
    all_next_become_ready();
    EXPECT_EQ(generation(), 3U);
    turn_after(60'000);
    EXPECT_EQ(loads_, 2U);
    EXPECT_EQ(supervisor_->next(), nullptr);
}

TEST_F(Reload, AskedForDuringTheStartItWaitsForTheEndOfIt) {
    turn();
    hup();
    EXPECT_EQ(loads_, 0U);
    for (unsigned i = 0; i < 3; ++i) ops_.say(pid(i), ControlKind::ready);
    turn();
    EXPECT_EQ(started_with_, std::vector{3U});
    EXPECT_EQ(loads_, 1U);
    all_next_become_ready();
    EXPECT_EQ(generation(), 2U);
}

TEST_F(Reload, ADeathInTheOldGenerationIsMendedMeanwhile) {
    start();
    hup();
    die(1);
    turn();
    EXPECT_NE(pid(1), 0);
    EXPECT_EQ(ops_.heard(pid(2)), Words{"serve 1"});
    const pid_t starting = pid(1);
    all_next_become_ready();
    EXPECT_EQ(generation(), 2U);
    EXPECT_EQ(ops_.heard(starting), Words{"retire 10000"});
}

TEST_F(Reload, ADeathInTheNextGenerationDelaysIt) {
    start();
    hup();
    const std::vector<pid_t> next = next_pids();
    for (const pid_t pid : next) ops_.say(pid, ControlKind::ready);
    ops_.end(next[2], SIGKILL);
    turn();
    EXPECT_EQ(generation(), 1U);
    turn_after(1);
    ASSERT_EQ(next_pids().size(), 3U);
    ops_.say(next_pids()[2], ControlKind::ready);
    turn();
    EXPECT_EQ(generation(), 2U);
}

// Each generation that drains has its places in the scoreboard, of which there are only so many.
TEST_F(Reload, IsRefusedWhileTooManyEarlierGenerationsDrain) {
    start();
    unsigned reloads = 0;
    for (; reloads < 100; ++reloads) {
        hup();
        if (supervisor_->next() == nullptr) break;
        all_next_become_ready();
    }
    EXPECT_GT(reloads, 10U);
    EXPECT_LT(reloads, 100U);
    EXPECT_EQ(generation(), reloads + 1);
    EXPECT_TRUE(verdicts_.back().starts_with(
        "not reloaded: too many workers of earlier generations still drain ("))
        << verdicts_.back();
    const std::vector<pid_t> serving = pids();
    die(1);
    turn();
    EXPECT_NE(pid(1), serving[1]) << "there is room for successors";
    EXPECT_NE(pid(1), 0);
    old_ones_end();
    hup();
    EXPECT_NE(supervisor_->next(), nullptr) << "some have ended";
}

TEST_F(Reload, WhoDoesNotLeaveInTimeIsKilled) {
    start();
    hup();
    all_next_become_ready();
    turn_after(30'000);
    EXPECT_TRUE(ops_.killed.empty());
    turn_after(kOvertimeMs);
    for (const pid_t pid : old_) EXPECT_EQ(signals_to(pid), std::vector{SIGKILL});
}

TEST_F(Reload, TheNewGraceIsOfTheNewGenerationOnly) {
    start();
    fresh_options_ = options_;
    fresh_options_->grace = Millis(1'000);
    hup();
    all_next_become_ready();
    for (const pid_t pid : old_) EXPECT_EQ(ops_.heard(pid), Words{"retire 30000"});
    ops_.signals.push_back(SIGTERM);
    turn();
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(ops_.heard(pid(i)), Words{"drain 1000"});
    for (const pid_t pid : old_) EXPECT_EQ(ops_.heard(pid), Words{"drain 1000"});
}

TEST_F(Reload, TermEndsAReloadAndTheServer) {
    start();
    hup();
    const std::vector<pid_t> next = next_pids();
    ops_.signals.push_back(SIGTERM);
    turn();
    EXPECT_EQ(supervisor_->next(), nullptr);
    for (const pid_t pid : next) EXPECT_EQ(ops_.heard(pid).front(), "drain 30000");
    hup();
    EXPECT_EQ(supervisor_->next(), nullptr) << "it stops, and reloads no more";
    for (const pid_t pid : next) ops_.end(pid, exited(0));
    for (const pid_t pid : old_) ops_.end(pid, exited(0));
    EXPECT_EQ(turn(), 0);
}

TEST_F(Reload, AStopIsAnnouncedToBothGenerations) {
    options_.drain_delay = Millis(5'000);
    make();
    start();
    EXPECT_EQ(supervisor_->scoreboard().stop_announced(), 0U);
    hup();
    const std::vector<pid_t> next = next_pids();
    ops_.signals.push_back(SIGTERM);
    turn();
    EXPECT_EQ(supervisor_->scoreboard().stop_announced(), 1U);
    for (const pid_t pid : old_) EXPECT_EQ(ops_.heard(pid), Words{});
    for (const pid_t pid : next) EXPECT_EQ(ops_.heard(pid), Words{});
    all_next_become_ready();
    EXPECT_EQ(pids(), next);
    turn_after(5'000);
    for (const pid_t pid : next) EXPECT_EQ(ops_.heard(pid), Words{"drain 30000"});
}

TEST_F(Reload, ASecondTermKillsBothGenerations) {
    start();
    hup();
    ops_.signals = {SIGTERM, SIGTERM};
    std::optional<int> status;
    for (int turns = 0; turns < 5 && !status; ++turns) status = turn();
    EXPECT_EQ(status, 0);
    EXPECT_EQ(ops_.killed.size(), 6U);
}

TEST_F(Reload, ASmallerNumberOfWorkersLeavesNoSocketAlone) {
    start();
    fresh_options_ = options_;
    fresh_options_->workers = {.least = 1, .most = 1};
    hup();
    ASSERT_EQ(next_pids().size(), 1U);
    all_next_become_ready();
    EXPECT_EQ(ops_.heard(pid(0)), (Words{"serve 1", "serve 2"}));
    for (const pid_t pid : old_) EXPECT_EQ(ops_.heard(pid), Words{"retire 30000"});
    EXPECT_EQ(pids().size(), 1U);
    fresh_options_.reset();
    hup();
    ASSERT_EQ(next_pids().size(), 3U) << "there are sockets for so many";
    all_next_become_ready();
    EXPECT_EQ(pids().size(), 3U);
}

TEST_F(Reload, ForksThatFailEndTheAttempt) {
    start();
    ops_.spawn_error = EAGAIN;
    hup();
    turn_after(5'000);
    EXPECT_EQ(supervisor_->next(), nullptr);
    EXPECT_EQ(pids(), old_);
    EXPECT_EQ(verdicts_.size(), 1U);
}

} // namespace
} // namespace fsrv
