#include "worker/net/pool_shares.h"

#include <gtest/gtest.h>
#include <string>

namespace fsrv::net {
namespace {

struct Waiter final : PoolWaiter {
    Waiter(std::string& turns, char name) : turns_(turns), name_(name) {}
    void on_pool_turn() override { turns_.push_back(name_); }

    std::string& turns_;
    char name_;
};

class PoolSharesTest : public testing::Test {
  protected:
    PoolShares shares_{3};
    std::string turns_;
    Waiter a_{turns_, 'a'}, b_{turns_, 'b'}, c_{turns_, 'c'}, d_{turns_, 'd'};
};

TEST_F(PoolSharesTest, OneThreadIsLeftToOtherDevices) {
    EXPECT_TRUE(shares_.take(1, a_));
    EXPECT_TRUE(shares_.take(1, a_));
    EXPECT_FALSE(shares_.take(1, b_));
    EXPECT_TRUE(shares_.take(2, c_));
    shares_.give_back(2);
    EXPECT_EQ(turns_, "") << "another device's share is nothing to b";
    shares_.give_back(1);
    EXPECT_EQ(turns_, "b");
}

TEST_F(PoolSharesTest, TurnsComeInOrderOfArrival) {
    ASSERT_TRUE(shares_.take(1, a_));
    ASSERT_TRUE(shares_.take(1, a_));
    EXPECT_FALSE(shares_.take(1, b_));
    EXPECT_FALSE(shares_.take(1, c_));
    EXPECT_FALSE(shares_.take(1, d_));
    shares_.forget(c_);
    shares_.forget(c_); // nothing more
    for (int i = 0; i < 4; ++i) shares_.give_back(1);
    EXPECT_EQ(turns_, "bd");
    EXPECT_TRUE(shares_.take(1, c_)) << "all came back, so there is room again";
}

TEST_F(PoolSharesTest, TheOnlyThreadServesEveryDevice) {
    PoolShares one(1);
    EXPECT_TRUE(one.take(1, a_));
    EXPECT_FALSE(one.take(1, b_));
    EXPECT_TRUE(one.take(2, c_));
    one.forget(b_);
}

TEST_F(PoolSharesTest, DevicesComeAndGo) {
    for (dev_t device = 1; device < 1000; ++device) {
        ASSERT_TRUE(shares_.take(device, a_));
        shares_.give_back(device);
    }
    EXPECT_TRUE(shares_.take(1, a_));
    EXPECT_TRUE(shares_.take(1, a_));
    EXPECT_FALSE(shares_.take(1, b_));
    shares_.forget(b_);
}

} // namespace
} // namespace fsrv::net
