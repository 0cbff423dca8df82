#include "worker/loop/timer.h"

#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>

namespace fsrv::loop {
namespace {

constexpr std::uint64_t kHour = 3'600'000;

TEST(Timer, CallsOnce) {
    Loop loop;
    Timer timer(loop);
    int calls = 0;
    timer.start(1, 0, [&] { ++calls; });
    loop.run();
    loop.run();
    EXPECT_EQ(calls, 1);
}

TEST(Timer, RepeatsUntilItIsStopped) {
    Loop loop;
    Timer timer(loop);
    int calls = 0;
    timer.start(0, 1, [&] {
        if (++calls == 3) timer.stop();
    });
    loop.run();
    EXPECT_EQ(calls, 3);
}

TEST(Timer, NeedNotBeStarted) {
    Loop loop;
    Timer timer(loop);
    timer.stop();
    loop.run();
}

TEST(Timer, AnotherStartTakesThePlaceOfTheFirst) {
    Loop loop;
    Timer timer(loop);
    std::string calls;
    timer.start(kHour, 0, [&] { calls += 'a'; });
    timer.start(1, 0, [&] { calls += 'b'; });
    loop.run();
    EXPECT_EQ(calls, "b");
}

TEST(Timer, MayBeStartedAnewByWhatItCalls) {
    Loop loop;
    Timer timer(loop);
    std::string calls;
    const std::string kept(100, 'a'); // on the heap: the first function must outlast its call
    timer.start(0, 1, [&, kept] {
        timer.start(1, 0, [&] { calls += 'b'; });
        calls += kept[99];
    });
    loop.run();
    EXPECT_EQ(calls, "ab");
}

TEST(Timer, MayBeDestroyedByWhatItCalls) {
    Loop loop;
    std::optional<Timer> timer(loop);
    std::string calls;
    const std::string kept(100, 'a');
    timer->start(0, 1, [&, kept] {
        timer.reset();
        calls += kept[99];
    });
    loop.run();
    EXPECT_EQ(calls, "a");
}

TEST(Timer, CallsNothingOnceItIsGone) {
    Loop loop;
    bool called = false;
    {
        Timer timer(loop);
        timer.start(0, 1, [&] { called = true; });
    }
    loop.run();
    EXPECT_FALSE(called);
}

TEST(Timer, TheLoopMayEndBeforeItHasLetGoOfIt) {
    const auto watched = std::make_shared<int>();
    {
        Loop loop;
        Timer timer(loop);
        timer.start(kHour, kHour, [watched] {});
        EXPECT_EQ(watched.use_count(), 2);
    }
    EXPECT_EQ(watched.use_count(), 1);
}

TEST(Timer, RepeatsSoonerOnceToldSo) {
    Loop loop;
    Timer timer(loop);
    int calls = 0;
    timer.start(0, kHour, [&] {
        timer.repeat_every(1);
        if (++calls == 3) timer.stop();
    });
    loop.run();
    EXPECT_EQ(calls, 3);
}

TEST(Timer, RepeatsLaterOnceToldSo) {
    Loop loop;
    Timer timer(loop), end(loop);
    int calls = 0;
    timer.start(0, 1, [&] {
        ++calls;
        timer.repeat_every(kHour);
    });
    end.start(20, 0, [&] { timer.stop(); });
    loop.run();
    EXPECT_EQ(calls, 1);
}

} // namespace
} // namespace fsrv::loop
