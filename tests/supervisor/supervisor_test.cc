// The loop: start, death, hang, hostile workers, signals.

#include "tests/supervisor/supervisor_world.h"
#include "tests/support/files.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/socket.h>
#include <sys/stat.h>

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

// --- hostile workers

TEST_F(SupervisorTest, GarbageOnTheChannelIsIgnored) {
    start();
    const int channel = ops_.alive.at(pid(1)).get();
    const std::string garbage[] = {"",
                                   "x",
                                   std::string(15, '\xFF'),
                                   std::string(16, '\xFF'),
                                   std::string(17, '\0'),
                                   std::string(4096, 'A')};
    for (const std::string& bytes : garbage)
        ASSERT_GE(send(channel, bytes.data(), bytes.size(), MSG_NOSIGNAL), 0);
    for (const auto kind :
         {ControlKind::serve, ControlKind::unserve, ControlKind::drain, ControlKind::ready})
        ops_.say(pid(1), kind);
    EXPECT_EQ(turn(), std::nullopt);
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(state(i), SlotState::ready);
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(ops_.heard(pid(i)), Words{});
}

TEST_F(SupervisorTest, AFloodIsCutOffAndTheOthersAreHeard) {
    start();
    for (int i = 0; i < 100; ++i) {
        const pid_t noisy = pid(0);
        while (send_control(ops_.alive.at(noisy).get(), {.kind = ControlKind::ready})) {
        }
        die(1);
        turn();
        become_ready(1);
        ASSERT_EQ(state(1), SlotState::ready) << i;
        ASSERT_EQ(pid(0), noisy);
        turn_after(60'000);
    }
    EXPECT_FALSE(send_control(ops_.alive.at(pid(0)).get(), {.kind = ControlKind::ready}))
        << "nobody reads it any more";
    die(0);
    turn();
    become_ready(0);
    EXPECT_EQ(state(0), SlotState::ready) << "its successor is heard";
}

TEST_F(SupervisorTest, DescriptorsThatAWorkerSendsAreClosed) {
    start();
    const auto open_fds = [] {
        int count = 0;
        for (int fd = 0; fd < 1024; ++fd) count += fcntl(fd, F_GETFD) >= 0;
        return count;
    };
    const int before = open_fds();
    for (int i = 0; i < 10; ++i) {
        const bool sent =
            send_control(ops_.alive.at(pid(1)).get(), {.kind = ControlKind::ready}, 0);
        ASSERT_TRUE(sent || errno == EPERM) << "from Linux 6.16 on they do not even come";
    }
    turn();
    EXPECT_EQ(open_fds(), before);
}

TEST_F(SupervisorTest, AWorkerThatClosesItsChannelHasToEnd) {
    start();
    const pid_t mute = pid(1);
    ops_.alive.at(mute).reset();
    turn();
    EXPECT_EQ(ops_.heard(pid(2)), Words{"serve 1"});
    turn_after(kEndingMs);
    EXPECT_EQ(signals_to(mute), std::vector{SIGABRT});
    turn_after(limits::kAbortToKillMs);
    EXPECT_EQ(signals_to(mute), (std::vector{SIGABRT, SIGKILL}));
}

TEST_F(SupervisorTest, AChannelThatIsFullIsTriedAgain) {
    start();
    const pid_t deaf = pid(2);
    // Orders pile up in a channel that nobody reads, until it is full.
    for (int i = 0; i < 400; ++i) {
        die(1);
        turn();
        if (pid(1) == 0) turn_after(limits::kMaxRespawnMs);
        become_ready(1);
        turn_after(1);
    }
    const Words heard = ops_.heard(deaf);
    EXPECT_LT(heard.size(), 800U) << "it was never full";
    turn_after(1'000);
    Words all = heard;
    for (const std::string& word : ops_.heard(deaf)) all.push_back(word);
    EXPECT_EQ(all.back(), "unserve 1") << "in the end it knows how things are";
    for (std::size_t i = 0; i < all.size(); ++i)
        ASSERT_EQ(all[i], i % 2 == 0 ? "serve 1" : "unserve 1");
}

TEST_F(SupervisorTest, OneThatLeavesGetsTheNewLogOnceItsChannelHasRoom) {
    const test::TempDir dir;
    access_log_ = (dir / "access.log").string();
    make();
    start();
    const pid_t leaver = pid(1);
    ops_.say(leaver, ControlKind::leaving);
    turn();
    constexpr int kMoreThanFit = 400;
    for (int i = 0; i < kMoreThanFit; ++i) {
        ops_.signals.push_back(SIGUSR1);
        turn();
    }
    std::filesystem::rename(access_log_, dir / "access.log.1");
    ops_.signals.push_back(SIGUSR1);
    turn();
    EXPECT_LT(ops_.heard(leaver).size(), static_cast<std::size_t>(kMoreThanFit))
        << "it was never full";
    turn_after(1'000);
    ASSERT_EQ(ops_.heard(leaver), Words{"log_file 0"});
    struct stat named {
    }, given{};
    ASSERT_EQ(stat(access_log_.c_str(), &named), 0);
    ASSERT_EQ(fstat(ops_.files.back().get(), &given), 0);
    EXPECT_EQ(given.st_ino, named.st_ino);
    turn_after(1'000);
    EXPECT_EQ(ops_.heard(leaver), Words{}) << "once";
}

// --- signals

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
