#include "worker/disk/pool.h"

#include "common/clock.h"
#include "tests/support/await.h"

#include <condition_variable>
#include <gtest/gtest.h>
#include <mutex>
#include <poll.h>
#include <set>
#include <string>
#include <thread>

namespace fsrv::disk {
namespace {

constexpr dev_t kGood = 1;
constexpr dev_t kBad = 2;
constexpr dev_t kOther = 3;

// Holds who comes to it until it is opened.
class Gate {
  public:
    void pass(int who) {
        std::unique_lock lock(mutex_);
        inside_.insert(who);
        changed_.notify_all();
        changed_.wait(lock, [&] { return open_ || let_through_.contains(who); });
        inside_.erase(who);
    }
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void let_through(int who) {
        const std::lock_guard lock(mutex_);
        let_through_.insert(who);
        changed_.notify_all();
    }
    bool await_inside(std::size_t count) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::seconds(30),
                                 [&] { return inside_.size() >= count; });
    }
    std::size_t inside() {
        const std::lock_guard lock(mutex_);
        return inside_.size();
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<int> inside_;
    std::set<int> let_through_;
    bool open_ = false;
};

struct Work final : Job {
    void run() override {
        if (gate) gate->pass(number);
    }
    void on_done() override { ++done; }
    void on_ill() override {
        ++ill;
        if (gives_up) pool->abandon(*this);
    }
    void on_orphaned() override { ++orphaned; }

    Gate* gate = nullptr;
    Pool* pool = nullptr;
    int number = 0;
    bool gives_up = false;
    int done = 0;
    int ill = 0;
    int orphaned = 0;
};

class PoolTest : public testing::Test {
  protected:
    PoolTest() {
        EXPECT_TRUE(pool_.keep_ready(kGood));
        for (int i = 0; i < kMany; ++i) {
            stuck_[i].gate = &gate_;
            stuck_[i].number = i;
        }
        for (Work* const work : {&a_, &b_, &c_}) work->pool = &pool_;
        for (Work& work : stuck_) work.pool = &pool_;
    }
    ~PoolTest() override {
        gate_.open();
        EXPECT_TRUE(until([&] { return pool_.is_idle(); }));
    }

    // The loop's part, until it is so.
    template <class Condition>
    bool until(Condition is_so) {
        const test::Deadline deadline;
        while (!is_so()) {
            if (deadline.over()) return false;
            pollfd wake{.fd = pool_.wake_fd(), .events = POLLIN, .revents = 0};
            ::poll(&wake, 1, 10);
            pool_.dispatch();
            pool_.tick();
        }
        return true;
    }
    bool does(Work& work, dev_t device, JobKind kind = JobKind::look_up) {
        const int before = work.done;
        return pool_.submit(work, device, kind) == Submitted::yes &&
               until([&] { return work.done == before + 1; });
    }
    void fall_ill() {
        for (int i = 0; i < 2; ++i)
            ASSERT_EQ(pool_.submit(stuck_[i], kBad, JobKind::look_up), Submitted::yes);
        ASSERT_TRUE(gate_.await_inside(2));
        ASSERT_TRUE(until([&] { return pool_.is_ill(kBad); }));
    }

    static constexpr int kMany = 12;
    Gate gate_;
    std::string changes_;
    Pool pool_{{.threads = 2, .silence_ms = 50, .on_change = [this](dev_t device, bool ill) {
                    changes_ += std::to_string(device) + (ill ? " ill " : " well ");
                }}};
    Work stuck_[kMany];
    Work a_, b_, c_;
};

TEST_F(PoolTest, WhatIsDoneIsTold) {
    EXPECT_TRUE(does(a_, kGood));
    EXPECT_TRUE(does(a_, kOther)) << "again, and on a device that has no threads yet";
    EXPECT_TRUE(does(b_, kGood, JobKind::listing));
    EXPECT_TRUE(does(c_, kGood, JobKind::read));
    EXPECT_EQ(pool_.jobs(), 0U);
}

TEST_F(PoolTest, ManyDevicesThatHangTakeNoThreadFromOthers) {
    for (int i = 0; i < kMany; ++i)
        ASSERT_EQ(pool_.submit(stuck_[i], kOther + static_cast<dev_t>(i / 3), JobKind::look_up),
                  Submitted::yes);
    ASSERT_TRUE(gate_.await_inside(8)) << "two threads for each of four devices";
    EXPECT_TRUE(does(a_, kGood));
    EXPECT_TRUE(does(b_, kBad));
    EXPECT_EQ(gate_.inside(), 8U) << "no device has more than its threads";
}

TEST_F(PoolTest, ASilentDeviceIsIllForThoseWhoBegin) {
    a_.gives_up = true; // waits for a thread
    ASSERT_NO_FATAL_FAILURE(fall_ill());
    EXPECT_EQ(stuck_[0].ill, 1);
    EXPECT_EQ(pool_.submit(a_, kBad, JobKind::look_up), Submitted::ill);
    EXPECT_EQ(pool_.submit(a_, kBad, JobKind::listing), Submitted::ill);
    EXPECT_EQ(pool_.submit(b_, kBad, JobKind::read), Submitted::yes);
    EXPECT_TRUE(does(c_, kGood));
    EXPECT_EQ(b_.done, 0);
    EXPECT_EQ(pool_.ill_devices(), 1U);
    gate_.open();
    EXPECT_TRUE(until([&] { return b_.done == 1; })) << "well again, and who waited is served";
    EXPECT_EQ(stuck_[0].done + stuck_[1].done, 2);
    EXPECT_FALSE(pool_.is_ill(kBad));
    EXPECT_EQ(changes_, "2 ill 2 well ");
    EXPECT_TRUE(does(a_, kBad));
}

TEST_F(PoolTest, WhoWaitsMayGiveUpWhenItsDeviceIsIll) {
    for (int i = 0; i < 4; ++i) {
        stuck_[i].gives_up = i != 3;
        ASSERT_EQ(pool_.submit(stuck_[i], kBad, i == 3 ? JobKind::read : JobKind::look_up),
                  Submitted::yes);
    }
    ASSERT_TRUE(until([&] { return stuck_[2].orphaned == 1; })) << "waited: free at once";
    EXPECT_EQ(stuck_[0].orphaned, 0) << "a thread has it";
    EXPECT_EQ(stuck_[3].ill, 1);
    gate_.open();
    ASSERT_TRUE(until([&] { return stuck_[3].done == 1; }));
    EXPECT_EQ(stuck_[0].orphaned, 1);
    EXPECT_EQ(stuck_[0].done, 0);
}

TEST_F(PoolTest, AProbeFindsOutThatADeviceIsWellThoughWhatItHeldNeverComesBack) {
    ASSERT_NO_FATAL_FAILURE(fall_ill());
    ASSERT_TRUE(until([&] { return pool_.wants_probe(kBad); }));
    pool_.probe(a_, kBad);
    EXPECT_FALSE(pool_.wants_probe(kBad)) << "one at a time";
    ASSERT_TRUE(until([&] { return a_.orphaned == 1; }));
    EXPECT_FALSE(pool_.is_ill(kBad));
    EXPECT_TRUE(does(b_, kBad)) << "by a thread for each of those that are lost";
    for (int i = 0; i < 10; ++i) pool_.tick();
    EXPECT_FALSE(pool_.is_ill(kBad)) << "what never comes back says nothing new";
    EXPECT_EQ(gate_.inside(), 2U);
}

TEST_F(PoolTest, WhatWaitsForAnIllDeviceAsksItToo) {
    ASSERT_NO_FATAL_FAILURE(fall_ill());
    ASSERT_EQ(pool_.submit(a_, kBad, JobKind::read), Submitted::yes);
    ASSERT_EQ(pool_.submit(b_, kBad, JobKind::read), Submitted::yes);
    EXPECT_TRUE(until([&] { return a_.done == 1 && b_.done == 1; }));
    EXPECT_FALSE(pool_.is_ill(kBad));
}

TEST_F(PoolTest, ProbesThatHangTakeABoundedNumberOfThreads) {
    ASSERT_NO_FATAL_FAILURE(fall_ill());
    int probes = 0;
    for (int i = 2; i < kMany; ++i) {
        if (!until([&] { return pool_.wants_probe(kBad) || gate_.inside() >= 10; })) break;
        if (!pool_.wants_probe(kBad)) break;
        pool_.probe(stuck_[i], kBad);
        ++probes;
        ASSERT_TRUE(gate_.await_inside(static_cast<std::size_t>(2 + probes)));
    }
    EXPECT_EQ(probes, 8);
    EXPECT_TRUE(does(c_, kGood));
}

TEST_F(PoolTest, ListingsHaveAShareOfTheThreads) {
    for (int i = 0; i < 3; ++i)
        ASSERT_EQ(pool_.submit(stuck_[i], kGood, JobKind::listing), Submitted::yes);
    ASSERT_TRUE(gate_.await_inside(1));
    EXPECT_TRUE(does(a_, kGood)) << "passes those that wait";
    EXPECT_EQ(gate_.inside(), 1U);
    pool_.abandon(stuck_[2]);
    EXPECT_EQ(stuck_[2].orphaned, 1);
    gate_.let_through(0);
    EXPECT_TRUE(until([&] { return stuck_[0].done == 1; }));
    ASSERT_TRUE(gate_.await_inside(1)) << "the next one's turn";
}

TEST_F(PoolTest, BackgroundRunsAloneAndWhenNothingElseWaits) {
    Work background[3];
    for (int i = 0; i < 3; ++i) background[i].gate = &gate_;
    for (int i = 0; i < 3; ++i) background[i].number = kMany + i;
    for (int i = 0; i < 2; ++i)
        ASSERT_EQ(pool_.submit(stuck_[i], kGood, JobKind::look_up), Submitted::yes);
    ASSERT_TRUE(gate_.await_inside(2)) << "both threads are taken";
    for (Work& work : background)
        ASSERT_EQ(pool_.submit(work, kGood, JobKind::background), Submitted::yes);
    gate_.let_through(0);
    ASSERT_TRUE(until([&] { return stuck_[0].done == 1; }));
    ASSERT_TRUE(gate_.await_inside(2)) << "one of the background has its thread";
    gate_.let_through(1);
    ASSERT_TRUE(until([&] { return stuck_[1].done == 1; }));
    EXPECT_TRUE(does(a_, kGood)) << "passes the background that waits";
    EXPECT_EQ(gate_.inside(), 1U) << "one at a time";
    pool_.abandon(background[2]);
    EXPECT_EQ(background[2].orphaned, 1);
    gate_.let_through(kMany);
    EXPECT_TRUE(until([&] { return background[0].done == 1; }));
    ASSERT_TRUE(gate_.await_inside(1)) << "the next one's turn";
    gate_.open();
    EXPECT_TRUE(until([&] { return background[1].done == 1; }));
}

TEST_F(PoolTest, BackgroundThatTakesLongIsNoSignOfAnIllDevice) {
    ASSERT_EQ(pool_.submit(stuck_[0], kBad, JobKind::background), Submitted::yes);
    ASSERT_TRUE(gate_.await_inside(1));
    const std::uint64_t begun_ms = monotonic_ms();
    EXPECT_TRUE(until([&] { return monotonic_ms() - begun_ms > 100; })) << "twice the silence";
    EXPECT_FALSE(pool_.is_ill(kBad));
    ASSERT_NO_FATAL_FAILURE({
        ASSERT_EQ(pool_.submit(stuck_[1], kBad, JobKind::look_up), Submitted::yes);
        ASSERT_TRUE(until([&] { return pool_.is_ill(kBad); }));
    });
    EXPECT_EQ(pool_.submit(a_, kBad, JobKind::background), Submitted::ill);
}

TEST_F(PoolTest, AbandonedWhileItRunsItIsToldAfterwards) {
    ASSERT_EQ(pool_.submit(stuck_[0], kGood, JobKind::read), Submitted::yes);
    ASSERT_TRUE(gate_.await_inside(1));
    pool_.abandon(stuck_[0]);
    EXPECT_EQ(stuck_[0].orphaned, 0);
    gate_.open();
    EXPECT_TRUE(until([&] { return stuck_[0].orphaned == 1; }));
    EXPECT_EQ(stuck_[0].done, 0);
}

} // namespace
} // namespace fsrv::disk
