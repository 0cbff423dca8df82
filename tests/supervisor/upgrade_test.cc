// Upgrade: the server that hands over.

#include "tests/supervisor/supervisor_world.h"

namespace fsrv {
namespace {

class Upgrade : public SupervisorTest {
  protected:
    void usr2() {
        ops_.signals.push_back(SIGUSR2);
        turn();
    }
    // The other end of its channel is the last process's.
    Predecessor successors_end() { return Predecessor(std::move(ops_.alive.at(ops_.last_pid))); }
    void expect_unharmed() {
        EXPECT_EQ(supervisor_->current().serving(), 3U);
        for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(ops_.heard(pid(i)), Words{});
        EXPECT_EQ(handed_to_, std::vector<pid_t>{});
    }
    std::vector<pid_t> workers() { return pids_of(supervisor_->current()); }
};

TEST_F(Upgrade, TheWorkersRetireWhenTheSuccessorIsReady) {
    start();
    const std::vector<pid_t> old = workers();
    usr2();
    const pid_t successor = ops_.last_pid;
    Predecessor channel = successors_end();
    expect_unharmed();
    EXPECT_EQ(channel.hear(), Predecessor::Word::none);
    ASSERT_TRUE(channel.tell_ready());
    EXPECT_EQ(turn(), std::nullopt);
    EXPECT_EQ(channel.hear(), Predecessor::Word::yours);
    EXPECT_EQ(handed_to_, std::vector{successor});
    for (const pid_t pid : old) EXPECT_EQ(ops_.heard(pid), Words{"retire 30000"});
    EXPECT_TRUE(stopping_.empty()) << "the service manager is not told that it stops";
    for (const pid_t pid : old) ops_.end(pid, exited(0));
    EXPECT_EQ(turn(), 0);
    EXPECT_TRUE(ops_.killed.empty());
}

TEST_F(Upgrade, WhoDoesNotFinishInTimeIsKilledAndTheOldServerEnds) {
    start();
    usr2();
    Predecessor channel = successors_end();
    channel.tell_ready();
    turn();
    EXPECT_EQ(turn_after(30'000), std::nullopt);
    turn_after(kOvertimeMs);
    EXPECT_EQ(ops_.killed.size(), 3U);
    EXPECT_EQ(turn(), 0);
}

TEST_F(Upgrade, TermHurriesAServerThatHasHandedOver) {
    start();
    const std::vector<pid_t> old = workers();
    usr2();
    Predecessor channel = successors_end();
    channel.tell_ready();
    ops_.signals = {SIGTERM, SIGHUP, SIGUSR2};
    turn();
    for (const pid_t pid : old)
        EXPECT_EQ(ops_.heard(pid), (Words{"retire 30000", "drain 30000"}))
            << "it was handed over before the signal was looked at";
    turn();
    turn();
    EXPECT_EQ(loads_, 0U);
    for (const pid_t pid : old) ops_.end(pid, exited(0));
    EXPECT_EQ(turn(), 0);
}

TEST_F(Upgrade, ASuccessorThatSaysWhyItCannotIsDropped) {
    start();
    usr2();
    const pid_t successor = ops_.last_pid;
    successors_end().tell_failed("no");
    turn();
    EXPECT_EQ(signals_to(successor), std::vector{SIGKILL});
    turn();
    expect_unharmed();
    usr2();
    EXPECT_NE(ops_.last_pid, successor) << "it may be tried again";
}

TEST_F(Upgrade, ASuccessorThatDiesIsDropped) {
    start();
    for (const bool closes_first : {true, false}) {
        usr2();
        const pid_t successor = ops_.last_pid;
        if (closes_first) {
            successors_end();
            turn();
            EXPECT_TRUE(signals_to(successor).empty()) << "it is about to end";
        }
        ops_.end(successor, exited(2));
        turn();
        EXPECT_TRUE(signals_to(successor).empty());
        expect_unharmed();
    }
}

TEST_F(Upgrade, ASuccessorThatHangsIsKilled) {
    start();
    usr2();
    const pid_t successor = ops_.last_pid;
    turn_after(limits::kUpgradeMs - 1);
    EXPECT_TRUE(ops_.killed.empty());
    turn_after(1);
    EXPECT_EQ(signals_to(successor), std::vector{SIGKILL});
    turn();
    expect_unharmed();
}

TEST_F(Upgrade, TermEndsItAndTheServer) {
    start();
    usr2();
    const pid_t successor = ops_.last_pid;
    ops_.signals.push_back(SIGTERM);
    turn();
    EXPECT_EQ(signals_to(successor), std::vector{SIGKILL});
    for (const pid_t pid : workers()) ops_.end(pid, exited(0));
    EXPECT_EQ(turn(), 0);
}

TEST_F(Upgrade, AStopThatIsAnnouncedEndsItAndLetsNoneBegin) {
    options_.drain_delay = Millis(5'000);
    make();
    start();
    usr2();
    const pid_t successor = ops_.last_pid;
    ops_.signals.push_back(SIGTERM);
    turn();
    EXPECT_EQ(signals_to(successor), std::vector{SIGKILL});
    turn();
    usr2();
    EXPECT_EQ(ops_.last_pid, successor) << "none is started";
    EXPECT_EQ(handed_to_, std::vector<pid_t>{});
    EXPECT_EQ(supervisor_->scoreboard().stop_announced(), 1U);
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(ops_.heard(pid(i)), Words{});
    turn_after(5'000);
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(ops_.heard(pid(i)), Words{"drain 30000"});
    for (const pid_t pid : workers()) ops_.end(pid, exited(0));
    EXPECT_EQ(turn(), 0);
}

TEST_F(Upgrade, OneChangeAtATime) {
    turn();
    const pid_t last = ops_.last_pid;
    usr2();
    EXPECT_EQ(ops_.last_pid, last) << "not during the start";
    for (unsigned i = 0; i < 3; ++i) become_ready(i);
    usr2();
    const pid_t successor = ops_.last_pid;
    EXPECT_EQ(successor, last + 1);
    usr2();
    ops_.signals.push_back(SIGHUP);
    turn();
    EXPECT_EQ(ops_.last_pid, successor);
    EXPECT_EQ(loads_, 0U);
    successors_end().tell_failed("no");
    turn();
    ops_.signals.push_back(SIGHUP);
    turn();
    EXPECT_EQ(loads_, 1U);
    const pid_t next = ops_.last_pid;
    usr2();
    EXPECT_EQ(ops_.last_pid, next) << "not during a reload";
}

TEST_F(Upgrade, ADeathMeanwhileIsMended) {
    start();
    usr2();
    die(1);
    turn();
    EXPECT_NE(pid(1), 0);
}
TEST_F(Upgrade, AServerThatHasHandedOverSleepsAndTellsTheServiceManagerNothing) {
    unsigned told = 0;
    on_turn_ = [&told](const Health&, std::uint64_t now) {
        ++told;
        return now + 100;
    };
    make();
    start();
    usr2();
    Predecessor channel = successors_end();
    channel.tell_ready();
    turn();
    const unsigned before = told;
    for (int turns = 0; turns < 3; ++turns) {
        ASSERT_GT(supervisor_->next_deadline(), ops_.now) << "it would not sleep";
        ops_.now += 1'000;
        turn();
    }
    EXPECT_EQ(told, before);
}

} // namespace
} // namespace fsrv
