#include "worker/disk/chunk_pool.h"

#include <gtest/gtest.h>
#include <vector>

namespace fsrv::disk {
namespace {

TEST(ChunkPool, GivesSmallChunksOnceTheBigOnesAreInUse) {
    ChunkPool pool;
    std::vector<Chunk*> taken;
    for (unsigned i = 0; i < limits::kMaxBigChunks; ++i) {
        taken.push_back(pool.take());
        ASSERT_EQ(taken.back()->capacity, limits::kChunkBytes);
    }
    Chunk* small = pool.take();
    EXPECT_EQ(small->capacity, limits::kSmallChunkBytes);
    pool.give_back(taken.back());
    taken.back() = pool.take();
    EXPECT_EQ(taken.back()->capacity, limits::kChunkBytes) << "one was free again";
    pool.give_back(small);
    for (Chunk* chunk : taken) pool.give_back(chunk);
}

TEST(ChunkPool, KeepsAChunkForTheNextTaker) {
    ChunkPool pool;
    Chunk* first = pool.take();
    pool.give_back(first);
    Chunk* again = pool.take();
    EXPECT_EQ(again, first);
    pool.give_back(again);
    pool.give_back(nullptr); // nothing happens
}

} // namespace
} // namespace fsrv::disk
