#include "supervisor/start/memory_budgets.h"

#include "common/limits.h"

#include <gtest/gtest.h>

namespace fsrv {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

Options options(unsigned workers, std::uint64_t cache = 64 * kMiB) {
    Options o;
    o.workers = {.least = 1, .most = workers};
    o.cache_memory = cache;
    return o;
}

std::uint64_t all_of(const Budgets& b) {
    return b.cache_bytes + b.listing_bytes + b.big_chunks * std::uint64_t{limits::kChunkBytes};
}

TEST(MemoryBudgets, WithoutALimitTheyAreWhatWasAskedFor) {
    const Budgets b = memory_budgets(options(4), std::nullopt);
    EXPECT_EQ(b.cache_bytes, 64 * kMiB);
    EXPECT_EQ(b.listing_bytes, limits::kMaxListingBytesInFlight);
    EXPECT_EQ(b.big_chunks, limits::kMaxBigChunks);
    EXPECT_EQ(all_of(memory_budgets(options(4), 64ULL << 30)), all_of(b)) << "plenty";
}

TEST(MemoryBudgets, AllWorkersTogetherStayBelowHalfOfTheLimit) {
    for (const unsigned workers : {1U, 2U, 4U, 8U}) {
        for (std::uint64_t limit = workers * 24 * kMiB; limit < 8'192 * kMiB; limit += 24 * kMiB) {
            const Budgets b = memory_budgets(options(workers), limit);
            EXPECT_LE(all_of(b) * workers, limit / 2) << workers << " of " << limit;
        }
    }
}

TEST(MemoryBudgets, NeitherGrowsNorVanishes) {
    const Budgets small = memory_budgets(options(2, kMiB), 192 * kMiB);
    EXPECT_EQ(small.cache_bytes, kMiB) << "as asked for";
    EXPECT_EQ(small.listing_bytes, 24 * kMiB);
    EXPECT_EQ(memory_budgets(options(2, 0), 192 * kMiB).cache_bytes, 0U);
    const Budgets tiny = memory_budgets(options(8), 16 * kMiB);
    EXPECT_GE(tiny.listing_bytes, 4 * kMiB) << "a folder can be listed";
    EXPECT_GE(tiny.big_chunks, 4U);
}

} // namespace
} // namespace fsrv
