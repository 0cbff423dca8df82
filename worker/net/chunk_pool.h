// Chunks: a buffer for file bytes together with the libuv request that fills it, since the request
// must outlive neither the buffer nor the other way round. A download holds one only while bytes
// are on their way from the disk to the socket. Thread: the loop's.
#pragma once

#include "common/limits.h"
#include "worker/http/body.h"

#include <cstddef>
#include <cstdint>
#include <uv.h>
#include <vector>

namespace fsrv::net {

class SenderOwner;

// What the pool is to read into a chunk, and what came of it.
struct ReadOrder {
    const http::OpenFile* file = nullptr;
    std::uint64_t offset = 0;
    std::size_t length = 0;
    bool may_be_cached = false; // worth a try that does not wait
    bool was_cached = false;    // and it had all of it
    std::int64_t result = 0;    // bytes, or minus errno
    bool unchanged = false;     // the file, after the read
};

struct Chunk {
    uv_work_t work{};
    ReadOrder order;
    SenderOwner* owner = nullptr; // told when the read is over
    std::size_t capacity = 0;
    char* data() { return reinterpret_cast<char*>(this + 1); }
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
    void give_back(Chunk* chunk);

  private:
    std::vector<Chunk*> spare_; // big ones only
    unsigned most_big_;
    unsigned big_in_use_ = 0;
};

} // namespace fsrv::net
