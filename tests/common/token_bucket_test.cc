#include "common/token_bucket.h"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace fsrv {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kNow = 1'000 * kSecond;

TEST(TokenBucket, WhatIsReservedBeginsBehindWhatWasReservedBefore) {
    TokenBucket bucket;
    EXPECT_EQ(bucket.reserve(kSecond, kNow, kSecond / 4), kNow - kSecond / 4) << "full";
    EXPECT_EQ(bucket.reserve(kSecond, kNow, kSecond / 4), kNow + kSecond * 3 / 4);
    EXPECT_EQ(bucket.reserve(1, kNow, kSecond / 4), kNow + kSecond * 7 / 4);
}

TEST(TokenBucket, NothingIsSavedUpBeyondTheBurst) {
    TokenBucket bucket;
    bucket.reserve(kSecond, kNow, 0);
    EXPECT_EQ(bucket.reserve(0, kNow + 3'600 * kSecond, kSecond / 4),
              kNow + 3'600 * kSecond - kSecond / 4);
}

TEST(TokenBucket, ATakerIsRefusedWithoutBeingCharged) {
    TokenBucket bucket;
    unsigned taken = 0;
    for (unsigned i = 0; i < 100; ++i) taken += bucket.take(kSecond / 5, kNow, 2 * kSecond) ? 1 : 0;
    EXPECT_EQ(taken, 10U) << "two seconds' burst";
    EXPECT_TRUE(bucket.take(kSecond / 5, kNow + kSecond / 5, 2 * kSecond));
    EXPECT_FALSE(bucket.take(kSecond / 5, kNow + kSecond / 5, 2 * kSecond));
    EXPECT_TRUE(bucket.take(kSecond / 5, kNow + kSecond / 5, 2 * kSecond, kSecond)) << "in debt";
}

TEST(TokenBucket, WhatIsGivenBackCanBeTakenAgain) {
    TokenBucket bucket;
    bucket.reserve(kSecond, kNow, 0);
    bucket.give_back(kSecond);
    EXPECT_EQ(bucket.reserve(kSecond, kNow, 0), kNow);
}

TEST(TokenBucket, WhateverStandsThereNobodyWaitsForEver) {
    TokenBucket bucket;
    for (unsigned i = 0; i < 10; ++i) bucket.reserve(~std::uint64_t{0} / 2, kNow, 0);
    EXPECT_LE(bucket.paid_ns(kNow, 0), kNow + limits::kMostDebtNs);
    EXPECT_EQ(bucket.paid_ns(0, kSecond), bucket.paid_ns(0, 0))
        << "before the clock's first second";
}

TEST(TokenBucket, ThreadsTogetherGetWhatOneWouldGet) {
    TokenBucket bucket;
    std::atomic<std::uint64_t> taken{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (unsigned n = 0; n < 10'000; ++n)
                if (bucket.take(kSecond / 1'000, kNow, kSecond)) ++taken;
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(taken, 1'000U);
}

TEST(TokenBucket, CostsAreTimes) {
    EXPECT_EQ(cost_ns(1'000, 1'000), kSecond);
    EXPECT_EQ(cost_ns(std::uint64_t{1} << 40, std::uint64_t{1} << 40), kSecond);
    EXPECT_EQ(cost_ns(0, 1), 0U);
    EXPECT_EQ(worth_of_ns(kSecond / 10, 64 * 1024), 6'553U);
}

} // namespace
} // namespace fsrv
