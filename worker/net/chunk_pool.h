// Chunks: a buffer for file bytes together with the libuv request that fills it, since the request
// must outlive neither the buffer nor the other way round. A download holds one only while bytes
// are on their way from the disk to the socket. Thread: the loop's.
#pragma once

#include "common/limits.h"

#include <cstddef>
#include <uv.h>
#include <vector>

namespace fsrv::net {

struct Chunk {
    uv_fs_t request{};
    std::size_t capacity = 0;
    char* data() { return reinterpret_cast<char*>(this + 1); }
};

class ChunkPool final {
  public:
    ChunkPool() = default;
    ChunkPool(const ChunkPool&) = delete;
    ChunkPool& operator=(const ChunkPool&) = delete;
    ~ChunkPool();

    // Big ones up to limits::kMaxBigChunks in use, then small ones. Null when the system has no
    // memory.
    Chunk* take();
    void give_back(Chunk* chunk);

  private:
    std::vector<Chunk*> spare_; // big ones only
    unsigned big_in_use_ = 0;
};

} // namespace fsrv::net
