// Followers by a hand clock, of files that grow when the test says so.
#include "worker/exchange/followers.h"

#include "common/limits.h"

#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace fsrv::exchange {
namespace {

struct Grows final : http::Growing {
    std::uint64_t size() const override { return 0; }
    void begin_at(std::uint64_t, std::uint64_t) override {}
    Made produce(std::span<char>) override { return {.state = State::none_yet}; }
    bool may_have_more(std::uint64_t) override {
        ++looks;
        return has_more;
    }
    void finish() override { is_finished = true; }

    bool has_more = false;
    bool is_finished = false;
    unsigned looks = 0;
};

struct Client final : FollowerHome {
    explicit Client(Followers& all) : follower(std::make_unique<Follower>(all, file, *this)) {}
    void on_growth() override {
        ++told;
        if (leaves) follower.reset();
    }

    Grows file;
    std::unique_ptr<Follower> follower;
    unsigned told = 0;
    bool leaves = false;
};

class FollowersTest : public testing::Test {
  protected:
    FollowersTest() { iteration_.begin(1'000'000); }
    void pass(std::uint64_t ms) {
        iteration_.begin(iteration_.now_ms() + ms);
        followers_.look();
    }

    Iteration iteration_;
    Followers followers_{3, iteration_};
};

TEST_F(FollowersTest, OnlyThoseThatWaitAreLookedAtNotTooOften) {
    Client busy(followers_);
    Client waiting(followers_);
    waiting.follower->wait();
    pass(limits::kFollowLookMs - 1);
    EXPECT_EQ(waiting.file.looks, 0U);
    pass(1);
    EXPECT_EQ(waiting.file.looks, 1U);
    pass(limits::kFollowLookMs / 2);
    EXPECT_EQ(waiting.file.looks, 1U);
    pass(limits::kFollowLookMs / 2);
    EXPECT_EQ(waiting.file.looks, 2U);
    EXPECT_EQ(waiting.told, 0U);
    EXPECT_EQ(busy.file.looks, 0U);
}

TEST_F(FollowersTest, WhoseFileHasMoreIsToldOnce) {
    Client client(followers_);
    client.follower->wait();
    client.file.has_more = true;
    pass(limits::kFollowLookMs);
    EXPECT_EQ(client.told, 1U);
    pass(limits::kFollowLookMs);
    EXPECT_EQ(client.told, 1U) << "it has something to send";
    client.follower->wait();
    pass(limits::kFollowLookMs);
    EXPECT_EQ(client.told, 2U);
}

TEST_F(FollowersTest, WhoLeavesWhenItIsToldKeepsNobodyFromHearing) {
    Client first(followers_);
    Client second(followers_);
    Client third(followers_);
    for (Client* client : {&first, &second, &third}) {
        client->follower->wait();
        client->file.has_more = true;
        client->leaves = true;
    }
    pass(limits::kFollowLookMs);
    for (const Client* client : {&first, &second, &third}) EXPECT_EQ(client->told, 1U);
    EXPECT_EQ(followers_.count(), 0U);
}

TEST_F(FollowersTest, ThereIsRoomForSoMany) {
    Client first(followers_);
    Client second(followers_);
    second.follower->wait();
    EXPECT_TRUE(followers_.has_room());
    Client third(followers_);
    EXPECT_FALSE(followers_.has_room());
    second.follower.reset();
    EXPECT_TRUE(followers_.has_room());
}

TEST_F(FollowersTest, WhenTheWorkerEndsAllAreToFinishAtOnceAndThoseThatComeLaterToo) {
    Client busy(followers_);
    Client waiting(followers_);
    waiting.follower->wait();
    followers_.finish();
    EXPECT_TRUE(busy.file.is_finished);
    EXPECT_TRUE(waiting.file.is_finished);
    waiting.file.has_more = true;
    pass(0);
    EXPECT_EQ(waiting.told, 1U);
    Client late(followers_);
    EXPECT_TRUE(late.file.is_finished);
}

} // namespace
} // namespace fsrv::exchange
