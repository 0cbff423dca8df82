#include "worker/disk/chunk_pool.h"

#include <cstdlib>
#include <new>

namespace fsrv::disk {
namespace {

Chunk* allocate(std::size_t capacity) {
    void* memory = std::malloc(sizeof(Chunk) + capacity);
    if (!memory) return nullptr;
    Chunk* chunk = new (memory) Chunk;
    chunk->capacity = capacity;
    return chunk;
}

} // namespace

ChunkPool::~ChunkPool() {
    for (Chunk* chunk : spare_) std::free(chunk);
}

Chunk* ChunkPool::take() {
    const std::lock_guard lock(mutex_);
    if (big_in_use_ >= most_big_) return allocate(limits::kSmallChunkBytes);
    Chunk* chunk = nullptr;
    if (!spare_.empty()) {
        chunk = spare_.back();
        spare_.pop_back();
    } else {
        chunk = allocate(limits::kChunkBytes);
    }
    if (chunk) ++big_in_use_;
    return chunk;
}

void ChunkPool::give_back(Chunk* chunk) {
    if (!chunk) return;
    const std::lock_guard lock(mutex_);
    if (chunk->capacity == limits::kChunkBytes) {
        --big_in_use_;
        if (spare_.size() < limits::kMaxSpareChunks) {
            spare_.push_back(chunk);
            return;
        }
    }
    std::free(chunk);
}

} // namespace fsrv::disk
