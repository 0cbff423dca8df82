#include "worker/disk/chunk_pool.h"

#include <cstdlib>
#include <new>

namespace fsrv::disk {
namespace {

Chunk* allocate(std::size_t capacity) {
    static_assert(limits::kChunkBytes % Chunk::kAlignment == 0 &&
                  limits::kSmallChunkBytes % Chunk::kAlignment == 0);
    void* const memory = std::aligned_alloc(Chunk::kAlignment, capacity + Chunk::kAlignment);
    if (!memory) return nullptr;
    Chunk* chunk = new (static_cast<char*>(memory) + capacity) Chunk; // behind its bytes
    chunk->capacity = capacity;
    return chunk;
}

void release(Chunk* chunk) {
    std::free(chunk->data());
}

} // namespace

ChunkPool::~ChunkPool() {
    for (Chunk* chunk : spare_) release(chunk);
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
    release(chunk);
}

} // namespace fsrv::disk
