// Chunks: buffers for file bytes. A download holds one only while bytes are on their way from the
// disk to the socket. Any thread.
#pragma once

#include "common/limits.h"

#include <cstddef>
#include <mutex>
#include <vector>

namespace fsrv::disk {

// Its bytes begin where a page does: the kernel copies to anywhere else at a third of the speed on
// some processors (string moves of AMD's).
struct Chunk {
    static constexpr std::size_t kAlignment = 4096;
    std::size_t capacity = 0;
    char* data() { return reinterpret_cast<char*>(this) - capacity; }
};

class ChunkPool final {
  public:
    explicit ChunkPool(unsigned most_big = limits::kMaxBigChunks) : most_big_(most_big) {}
    ChunkPool(const ChunkPool&) = delete;
    ChunkPool& operator=(const ChunkPool&) = delete;
    ~ChunkPool();

    // Big ones up to that many in use, then small ones. Null when the system has no
    // memory.
    Chunk* take();
    void give_back(Chunk* chunk); // none will do

  private:
    std::mutex mutex_;
    std::vector<Chunk*> spare_; // big ones only
    unsigned most_big_;
    unsigned big_in_use_ = 0;
};

} // namespace fsrv::disk
