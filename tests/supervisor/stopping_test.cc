// The end, as signals ask for it.

#include "tests/supervisor/supervisor_world.h"

#include <cerrno>

namespace fsrv {
namespace {

TEST_F(SupervisorTest, TermDrainsWithinTheGraceAndEndsWith0) {
    start();
    ops_.signals.push_back(SIGTERM);
    EXPECT_EQ(turn(), std::nullopt);
    EXPECT_EQ(stopping_, std::vector{30'000 + kOvertimeMs});
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(ops_.heard(pid(i)), Words{"drain 30000"});
    ops_.spawn_times.clear();
    die(0, SIGKILL);
    ops_.end(pid(1), exited(0));
    EXPECT_EQ(turn(), std::nullopt);
    EXPECT_TRUE(ops_.spawn_times.empty()) << "nobody is replaced any more";
    ops_.end(pid(2), exited(0));
    EXPECT_EQ(turn(), 0);
}

TEST_F(SupervisorTest, ListenSocketsAreShutWhenAllHaveLeftOrAfterASecond) {
    const std::vector<std::string> loopback{"127.0.0.1"};
    for (const bool all_leave : {true, false}) {
        auto opened =
            ListenSockets::open({.hosts = loopback, .port = 0, .slots = options_.workers.most});
        ASSERT_TRUE(opened);
        sockets_ = std::move(*opened);
        make();
        start();
        ops_.signals.push_back(SIGTERM);
        turn();
        ops_.say(pid(0), ControlKind::leaving);
        ops_.say(pid(1), ControlKind::leaving);
        turn();
        EXPECT_FALSE(sockets_.sockets().empty()) << "the third one still accepts";
        if (all_leave)
            ops_.say(pid(2), ControlKind::leaving);
        else
            ops_.now += 1'000;
        turn();
        EXPECT_TRUE(sockets_.sockets().empty());
    }
}

TEST_F(SupervisorTest, WhoIsNotDoneInTimeIsKilled) {
    start();
    ops_.signals.push_back(SIGINT);
    turn();
    EXPECT_EQ(turn_after(30'000 + kOvertimeMs - 1), std::nullopt);
    EXPECT_TRUE(ops_.killed.empty());
    EXPECT_EQ(turn_after(1), std::nullopt);
    EXPECT_EQ(ops_.killed.size(), 3U);
    EXPECT_EQ(turn(), 0);
}

TEST_F(SupervisorTest, ASecondTermKillsAtOnce) {
    for (const auto& [first, second] :
         {std::pair(SIGTERM, SIGTERM), std::pair(SIGINT, SIGINT), std::pair(SIGTERM, SIGINT)}) {
        ops_.killed.clear();
        make();
        start();
        ops_.signals = {first, second};
        turn();
        EXPECT_TRUE(ops_.killed.empty()) << "one signal a turn";
        EXPECT_EQ(turn(), 0);
        EXPECT_EQ(ops_.killed.size(), 3U);
    }
}

TEST_F(SupervisorTest, QuitWaitsWithoutALimitUntilTermSetsOne) {
    start();
    ops_.signals.push_back(SIGQUIT);
    turn();
    EXPECT_EQ(stopping_, std::vector{kNever});
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(ops_.heard(pid(i)), Words{"drain 0"});
    EXPECT_EQ(turn_after(7 * 24 * 3'600'000ULL), std::nullopt);
    EXPECT_TRUE(ops_.killed.empty());
    ops_.signals = {SIGQUIT, SIGTERM};
    turn();
    turn();
    EXPECT_TRUE(ops_.killed.empty());
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(ops_.heard(pid(i)), Words{"drain 30000"});
    ops_.signals.push_back(SIGTERM);
    turn();
    EXPECT_EQ(ops_.killed.size(), 3U);
    EXPECT_EQ(turn(), 0);
}

TEST_F(SupervisorTest, NoGraceAtAllIsNotNoLimit) {
    options_.grace = Millis(0);
    make();
    start();
    ops_.signals.push_back(SIGTERM);
    turn();
    EXPECT_EQ(ops_.heard(pid(0)), Words{"drain 1"});
}

TEST_F(SupervisorTest, TermDuringTheStartEndsIt) {
    turn();
    become_ready(0);
    ops_.signals.push_back(SIGTERM);
    turn();
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(ops_.heard(pid(i)).back(), "drain 30000");
    become_ready(1);
    become_ready(2);
    EXPECT_TRUE(started_with_.empty()) << "it is not announced any more";
    for (unsigned i = 0; i < 3; ++i) ops_.end(pid(i), exited(0));
    EXPECT_EQ(turn(), 0);
}

TEST_F(SupervisorTest, TermWhileNobodyRunsEndsAtOnce) {
    start();
    ops_.spawn_error = EAGAIN;
    for (unsigned i = 0; i < 3; ++i) die(i);
    turn();
    ops_.signals.push_back(SIGTERM);
    EXPECT_EQ(turn(), 0);
}

TEST_F(SupervisorTest, EvenAProcessThatSurvivesSigkillDoesNotHoldUpTheEnd) {
    start();
    ops_.kill_works = false;
    ops_.signals = {SIGTERM, SIGTERM};
    turn();
    turn();
    EXPECT_EQ(turn_after(10'000), 0);
}

} // namespace
} // namespace fsrv
