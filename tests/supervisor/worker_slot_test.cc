#include "supervisor/worker_slot.h"

#include "common/heritage.h"
#include "common/limits.h"

#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace fsrv {
namespace {

constexpr std::uint64_t kHang = 30'000;
constexpr ExitStatus kKilled{.wait_status = 9};
constexpr ExitStatus exited(int status) {
    return {.wait_status = status << 8};
}

// A slot with a clock and a heart of its own.
struct Life {
    WorkerSlot slot{kHang};
    std::uint64_t now = 1'000'000;
    std::uint64_t tick = 0;
    pid_t last_pid = 100;

    SlotAction look() { return slot.on_time(tick, now); }
    SlotAction look_after(std::uint64_t ms) {
        now += ms;
        return look();
    }
    void spawn() { slot.on_spawned(++last_pid, tick, now); }
    void become_ready() {
        spawn();
        ASSERT_TRUE(slot.on_ready(now));
    }
    void beat() { tick = now; }
    // Until the next spawn, what passes.
    std::uint64_t delay_to_spawn() {
        const std::uint64_t begin = now;
        while (look() != SlotAction::spawn) now = slot.next_deadline();
        return now - begin;
    }
};

TEST(WorkerSlot, ANewSlotWantsAWorkerAtOnce) {
    Life life;
    EXPECT_EQ(life.slot.state(), SlotState::waiting);
    EXPECT_LE(life.slot.next_deadline(), life.now);
    EXPECT_EQ(life.look(), SlotAction::spawn);
}

TEST(WorkerSlot, TheDelayOfARespawnIsNoneThen100MsDoublingTo30S) {
    const std::pair<unsigned, std::uint64_t> table[] = {
        {0, 0},      {1, 0},       {2, 100},     {3, 200},      {4, 400},
        {5, 800},    {6, 1600},    {7, 3200},    {8, 6400},     {9, 12800},
        {10, 25600}, {11, 30'000}, {12, 30'000}, {100, 30'000}, {~0U, 30'000},
    };
    for (const auto& [deaths, delay] : table) EXPECT_EQ(respawn_delay_ms(deaths), delay) << deaths;
}

TEST(WorkerSlot, DeathsInARowMakeTheDelayGrow) {
    Life life;
    for (const std::uint64_t delay : std::initializer_list<std::uint64_t>{
             0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000}) {
        life.become_ready();
        life.slot.on_ended(kKilled, ++life.now);
        EXPECT_EQ(life.delay_to_spawn(), delay);
    }
}

TEST(WorkerSlot, AHealthyMinuteForgivesEarlierDeaths) {
    for (const std::uint64_t healthy_ms : {limits::kHealthyMs - 1, limits::kHealthyMs}) {
        Life life;
        for (int i = 0; i < 4; ++i) {
            life.become_ready();
            life.slot.on_ended(kKilled, ++life.now);
            life.delay_to_spawn();
        }
        life.become_ready();
        life.now += healthy_ms;
        life.slot.on_ended(kKilled, life.now);
        EXPECT_EQ(life.delay_to_spawn(), healthy_ms == limits::kHealthyMs ? 0U : 800U);
    }
}

TEST(WorkerSlot, AMinuteOfStartingIsNotHealthy) {
    Life life;
    life.spawn();
    life.slot.on_ended(kKilled, life.now);
    life.spawn();
    life.now += limits::kHealthyMs;
    life.slot.on_ended(kKilled, life.now);
    EXPECT_EQ(life.delay_to_spawn(), 100U);
}

TEST(WorkerSlot, AFailedForkIsTriedAgainAfterADelay) {
    Life life;
    for (const std::uint64_t delay : std::initializer_list<std::uint64_t>{100, 200, 400, 800}) {
        ASSERT_EQ(life.look(), SlotAction::spawn);
        life.slot.on_spawn_failed(life.now);
        EXPECT_EQ(life.look(), SlotAction::none);
        EXPECT_EQ(life.delay_to_spawn(), delay);
    }
    life.become_ready();
    EXPECT_EQ(life.slot.state(), SlotState::ready);
}

TEST(WorkerSlot, OnlyAStartingWorkerBecomesReady) {
    Life life;
    EXPECT_FALSE(life.slot.on_ready(life.now)) << "there is none";
    life.spawn();
    EXPECT_TRUE(life.slot.on_ready(life.now));
    EXPECT_FALSE(life.slot.on_ready(life.now)) << "it said so before";
    life.slot.on_ended(kKilled, life.now);
    EXPECT_FALSE(life.slot.on_ready(life.now));
}

TEST(WorkerSlot, AConfigurationThatDoesNotWorkIsNotTriedAgain) {
    Life life;
    life.spawn();
    life.slot.on_ended(exited(kExitUsage), life.now);
    EXPECT_EQ(life.slot.state(), SlotState::failed);
    EXPECT_TRUE(life.slot.had_its_chance());
    EXPECT_EQ(life.slot.next_deadline(), kNever);
    EXPECT_EQ(life.look_after(1'000'000), SlotAction::none);
}

TEST(WorkerSlot, ASlotThatWorkedOnceIsTriedAgainWhateverTheStatus) {
    Life life;
    life.become_ready();
    life.slot.on_ended(kKilled, life.now);
    life.spawn();
    life.slot.on_ended(exited(kExitUsage), life.now);
    EXPECT_EQ(life.slot.state(), SlotState::waiting);
    EXPECT_EQ(life.delay_to_spawn(), 100U);
}

TEST(WorkerSlot, AFewFailedStartsAreItsChance) {
    Life life;
    for (unsigned i = 0; i < kStartAttempts; ++i) {
        EXPECT_FALSE(life.slot.had_its_chance()) << i;
        life.delay_to_spawn();
        life.spawn();
        life.slot.on_ended(exited(1), life.now);
    }
    EXPECT_TRUE(life.slot.had_its_chance());
    EXPECT_EQ(life.slot.state(), SlotState::waiting) << "and it is tried again";
}

TEST(WorkerSlot, AStartThatTakesTooLongIsAbortedThenKilled) {
    Life life;
    life.spawn();
    EXPECT_EQ(life.look_after(limits::kStartTimeoutMs - 1), SlotAction::none);
    EXPECT_FALSE(life.slot.had_its_chance());
    EXPECT_EQ(life.look_after(1), SlotAction::abort);
    EXPECT_TRUE(life.slot.had_its_chance());
    EXPECT_FALSE(life.slot.on_ready(life.now)) << "too late";
    EXPECT_EQ(life.look_after(limits::kAbortToKillMs - 1), SlotAction::none);
    EXPECT_EQ(life.look_after(1), SlotAction::kill);
    EXPECT_EQ(life.look_after(1'000'000), SlotAction::none) << "once";
    life.slot.on_ended(kKilled, life.now);
    EXPECT_EQ(life.look(), SlotAction::spawn);
}

TEST(WorkerSlot, AWorkerThatTicksIsLeftAlone) {
    Life life;
    life.become_ready();
    for (int i = 0; i < 1000; ++i) {
        life.now += limits::kTickMs;
        life.beat();
        EXPECT_EQ(life.look(), SlotAction::none);
        ASSERT_EQ(life.slot.state(), SlotState::ready);
    }
}

TEST(WorkerSlot, SilenceIsCoveredThenAbortedThenKilled) {
    Life life;
    life.become_ready();
    life.now += 10'000;
    life.beat();
    EXPECT_EQ(life.look(), SlotAction::none);
    EXPECT_EQ(life.look_after(limits::kCoverMs - 1), SlotAction::none);
    EXPECT_EQ(life.slot.state(), SlotState::ready);
    EXPECT_EQ(life.look_after(1), SlotAction::none);
    EXPECT_EQ(life.slot.state(), SlotState::silent);
    EXPECT_EQ(life.look_after(kHang - limits::kCoverMs - 1), SlotAction::none);
    EXPECT_EQ(life.look_after(1), SlotAction::abort);
    EXPECT_EQ(life.look_after(limits::kAbortToKillMs), SlotAction::kill);
    life.slot.on_ended(kKilled, life.now);
    EXPECT_EQ(life.look(), SlotAction::spawn);
}

TEST(WorkerSlot, AHeartThatBeatsAgainIsUncovered) {
    Life life;
    life.become_ready();
    life.look_after(limits::kCoverMs);
    ASSERT_EQ(life.slot.state(), SlotState::silent);
    life.now += 100;
    life.beat();
    EXPECT_EQ(life.look(), SlotAction::none);
    EXPECT_EQ(life.slot.state(), SlotState::ready);
}

// It is a hint only: what counts is that it moves. A worker may write any number.
TEST(WorkerSlot, ALyingTickIsBelievedOnlyToHaveMoved) {
    for (const std::uint64_t lie : {std::uint64_t{1}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
        Life life;
        life.become_ready();
        life.now += 10'000;
        life.tick = lie;
        EXPECT_EQ(life.look(), SlotAction::none);
        EXPECT_EQ(life.slot.state(), SlotState::ready);
        EXPECT_EQ(life.look_after(kHang), SlotAction::abort) << "it did not move again";
    }
}

TEST(WorkerSlot, ThePredecessorsTickSaysNothing) {
    Life life;
    life.become_ready();
    life.beat();
    life.look();
    life.slot.on_ended(kKilled, life.now);
    life.become_ready();
    EXPECT_EQ(life.look_after(kHang), SlotAction::abort);
}

TEST(WorkerSlot, ASupervisorThatWasStoppedForgivesSilence) {
    Life life;
    life.become_ready();
    life.now += 10 * kHang;
    life.slot.forgive_silence(life.now);
    EXPECT_EQ(life.look(), SlotAction::none);
    EXPECT_EQ(life.slot.state(), SlotState::ready);
    EXPECT_EQ(life.look_after(kHang), SlotAction::abort) << "but not for ever";

    Life starting;
    starting.spawn();
    starting.now += 10 * limits::kStartTimeoutMs;
    starting.slot.forgive_silence(starting.now);
    EXPECT_EQ(starting.look(), SlotAction::none);
}

TEST(WorkerSlot, AClosedChannelMeansThatItIsEnding) {
    Life life;
    life.become_ready();
    life.slot.on_channel_closed(life.now);
    EXPECT_EQ(life.slot.state(), SlotState::ending);
    EXPECT_FALSE(life.slot.is_serving());
    EXPECT_EQ(life.look_after(kEndingMs - 1), SlotAction::none);
    EXPECT_EQ(life.look_after(1), SlotAction::abort);
}

TEST(WorkerSlot, AStartThatEndsByClosingItsChannelKeepsItsStatus) {
    Life life;
    life.spawn();
    life.slot.on_channel_closed(life.now);
    life.slot.on_ended(exited(kExitUsage), life.now);
    EXPECT_EQ(life.slot.state(), SlotState::failed);
}

TEST(WorkerSlot, AWorkerThatLeavesIsReplacedBeforeItEnds) {
    Life life;
    EXPECT_FALSE(life.slot.hand_over(life.now)) << "there is none";
    life.become_ready();
    EXPECT_TRUE(life.slot.hand_over(life.now));
    EXPECT_FALSE(life.slot.has_process());
    EXPECT_EQ(life.look(), SlotAction::spawn);
    life.become_ready();
    life.slot.hand_over(life.now);
    EXPECT_EQ(life.delay_to_spawn(), 100U) << "leaving in a loop is not free";
}

TEST(WorkerSlot, WhenNobodyServesTheDelayIsCut) {
    Life life;
    for (int i = 0; i < 12; ++i) {
        life.become_ready();
        life.slot.on_ended(kKilled, life.now);
        life.slot.hurry();
        EXPECT_LE(life.delay_to_spawn(), kAloneRespawnMs);
    }
    EXPECT_EQ(life.slot.state(), SlotState::waiting);
}

TEST(WorkerSlot, HurryingNeverDelaysAndNeverRevives) {
    Life life;
    life.slot.hurry();
    EXPECT_EQ(life.look(), SlotAction::spawn);
    life.become_ready();
    life.slot.hurry();
    EXPECT_EQ(life.slot.state(), SlotState::ready);
    Life failed;
    failed.spawn();
    failed.slot.on_ended(exited(kExitUsage), failed.now);
    failed.slot.hurry();
    EXPECT_EQ(failed.look_after(1'000'000), SlotAction::none);
}

TEST(WorkerSlot, StoppingEndsInGoneFromEveryState) {
    const std::pair<const char*, void (*)(Life&)> table[] = {
        {"waiting", [](Life&) {}},
        {"starting", [](Life& l) { l.spawn(); }},
        {"ready", [](Life& l) { l.become_ready(); }},
        {"silent",
         [](Life& l) {
             l.become_ready();
             l.look_after(limits::kCoverMs);
         }},
        {"aborting",
         [](Life& l) {
             l.become_ready();
             l.look_after(kHang);
         }},
        {"killing",
         [](Life& l) {
             l.become_ready();
             l.look_after(kHang);
             l.look_after(limits::kAbortToKillMs);
         }},
        {"ending",
         [](Life& l) {
             l.become_ready();
             l.slot.on_channel_closed(l.now);
         }},
        {"failed",
         [](Life& l) {
             l.spawn();
             l.slot.on_ended(exited(kExitUsage), l.now);
         }},
    };
    for (const auto& [name, prepare] : table) {
        Life life;
        prepare(life);
        ASSERT_EQ(name_of(life.slot.state()), name);
        const bool process = life.slot.has_process();
        life.slot.stop();
        if (process) {
            EXPECT_NE(life.slot.state(), SlotState::gone) << name;
            life.slot.on_ended(exited(0), life.now);
        }
        EXPECT_EQ(life.slot.state(), SlotState::gone) << name;
        EXPECT_EQ(life.slot.next_deadline(), kNever) << name;
        EXPECT_EQ(life.look_after(1'000'000), SlotAction::none) << name;
    }
}

TEST(WorkerSlot, WhoHangsWhileStoppingIsKilled) {
    Life ready;
    ready.become_ready();
    ready.slot.stop();
    EXPECT_EQ(ready.look_after(kHang - 1), SlotAction::none)
        << "no limit of its own to a long download";
    EXPECT_EQ(ready.look_after(1), SlotAction::abort);
    EXPECT_EQ(ready.look_after(limits::kAbortToKillMs), SlotAction::kill);

    Life starting;
    starting.spawn();
    starting.slot.stop();
    EXPECT_EQ(starting.look_after(limits::kStartTimeoutMs), SlotAction::abort);

    Life late; // it becomes ready, reads that it shall drain, and drains for long
    late.spawn();
    late.slot.stop();
    EXPECT_TRUE(late.slot.on_ready(late.now));
    EXPECT_EQ(late.slot.state(), SlotState::stopping);
    for (int i = 0; i < 1000; ++i) {
        late.now += limits::kTickMs;
        late.beat();
        EXPECT_EQ(late.look(), SlotAction::none);
    }
}

TEST(WorkerSlot, AtOnceMeansKillWhereThereIsAProcess) {
    Life none;
    none.slot.stop();
    EXPECT_EQ(none.slot.kill_now(), SlotAction::none);
    Life life;
    life.become_ready();
    life.slot.stop();
    EXPECT_EQ(life.slot.kill_now(), SlotAction::kill);
    life.slot.on_ended(kKilled, life.now);
    EXPECT_EQ(life.slot.state(), SlotState::gone);
}

// Whatever happens in whatever order: never two processes, never a process forgotten, never a slot
// that wants nothing and has nothing unless it failed or stopped, and never a loop that spins.
TEST(WorkerSlot, AnyOrderOfEventsKeepsTheInvariants) {
    std::mt19937 random(4711);
    for (int round = 0; round < 300; ++round) {
        Life life;
        bool stopped = false;
        for (int step = 0; step < 300; ++step) {
            const bool had = life.slot.has_process();
            switch (random() % 12) {
            case 0: life.slot.on_ready(life.now); break;
            case 1:
                if (had) life.slot.on_ended(kKilled, life.now);
                break;
            case 2:
                if (had) life.slot.on_ended(exited(static_cast<int>(random() % 3)), life.now);
                break;
            case 3: life.slot.on_channel_closed(life.now); break;
            case 4: life.slot.hand_over(life.now); break;
            case 5: life.slot.hurry(); break;
            case 6: life.slot.forgive_silence(life.now); break;
            case 7: life.beat(); break;
            case 8:
                if (random() % 20 == 0) {
                    life.slot.stop();
                    stopped = true;
                }
                break;
            default: life.now += random() % 5'000; break;
            }
            const bool has = life.slot.has_process();
            const SlotAction action = life.look();
            if (action == SlotAction::spawn) {
                ASSERT_FALSE(has);
                ASSERT_FALSE(stopped);
                if (random() % 4 == 0)
                    life.slot.on_spawn_failed(life.now);
                else
                    life.spawn();
            }
            if (action == SlotAction::abort || action == SlotAction::kill) {
                ASSERT_TRUE(has);
            }
            ASSERT_EQ(life.look() == SlotAction::spawn, false) << "the answer was taken";
            const SlotState state = life.slot.state();
            if (!life.slot.has_process()) {
                ASSERT_TRUE(state == SlotState::waiting || state == SlotState::failed ||
                            state == SlotState::gone)
                    << name_of(state);
            }
            if (state == SlotState::waiting || state == SlotState::starting ||
                state == SlotState::ready || state == SlotState::silent ||
                state == SlotState::aborting) {
                ASSERT_NE(life.slot.next_deadline(), kNever) << name_of(state);
            }
            if (life.slot.next_deadline() != kNever) {
                ASSERT_GT(life.slot.next_deadline(), life.now)
                    << name_of(state) << ": the loop would spin";
            }
        }
    }
}

} // namespace
} // namespace fsrv
