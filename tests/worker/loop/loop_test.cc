#include "worker/loop/loop.h"

#include "tests/support/await.h"
#include "tests/worker/loop/pipe.h"
#include "worker/loop/timer.h"
#include "worker/loop/watch.h"

#include <gtest/gtest.h>
#include <string>

namespace fsrv::loop {
namespace {

void iterate(Loop& loop, Poller& poller, bool may_wait) {
    loop.wait(poller, may_wait);
    loop.dispatch(poller);
}

using test::Pipe;

TEST(Loop, RunsUntilThereIsNothingToWaitFor) {
    Loop loop;
    loop.run();
    Timer timer(loop);
    bool called = false;
    timer.start(1, 0, [&] { called = true; });
    loop.run();
    EXPECT_TRUE(called);
}

TEST(Loop, ItsTimeStandsDuringAnIteration) {
    Loop loop;
    loop.update_time();
    const std::uint64_t before = loop.now_ms();
    Timer timer(loop);
    timer.start(2, 0, [] {});
    EXPECT_EQ(loop.now_ms(), before);
    loop.run();
    const std::uint64_t after = loop.now_ms();
    EXPECT_GE(after, before + 2);
    loop.update_time();
    EXPECT_GE(loop.now_ms(), after);
}

struct Noted final : PollTarget {
    explicit Noted(std::string& its_notes) : notes(its_notes) {}
    void on_ready(std::uint32_t) override { notes += 'p'; }
    std::string& notes;
};

TEST(Loop, AnIterationHandsOutWhatThePollerHasFirst) {
    Loop loop;
    Poller poller;
    Pipe clients, other;
    std::string notes;
    Noted target(notes);
    ASSERT_TRUE(poller.watch_readable(clients.out.get(), target));
    Watch watch(loop, other.out.get());
    watch.start({.readable = true}, [&](Readiness) { notes += 'w'; });
    Timer timer(loop);
    timer.start(0, 0, [&] { notes += 't'; });
    ASSERT_TRUE(loop.join(poller));
    EXPECT_EQ(notes, "t") << "what is due at once";
    clients.put();
    other.put();
    iterate(loop, poller, true);
    EXPECT_EQ(notes, "tpw");
}

TEST(Loop, AnIterationThatMayNotWaitDoesNot) {
    Loop loop;
    Poller poller;
    Pipe pipe;
    Watch watch(loop, pipe.out.get());
    bool told = false;
    watch.start({.readable = true}, [&](Readiness) { told = true; });
    ASSERT_TRUE(loop.join(poller));
    iterate(loop, poller, false); // nobody will ever write
    EXPECT_FALSE(told);
}

TEST(Loop, AnIterationThatWaitsEndsWhenATimerIsDue) {
    Loop loop;
    Poller poller;
    Timer timer(loop);
    bool called = false;
    timer.start(1, 0, [&] { called = true; });
    ASSERT_TRUE(loop.join(poller));
    const test::Deadline deadline;
    while (!called && !deadline.over()) iterate(loop, poller, true);
    EXPECT_TRUE(called);
}

TEST(LoopDeathTest, NothingOutlivesIt) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_DEATH(
        {
            auto loop = std::make_unique<Loop>();
            const Timer timer(*loop);
            loop.reset();
        },
        "outlive their loop");
}

} // namespace
} // namespace fsrv::loop
