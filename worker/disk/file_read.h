// FileRead: some bytes of a file, read by the pool for one that sends them. The buffer is taken
// when a thread comes to it, so those that wait for a disk hold none.
#pragma once

#include "worker/disk/chunk_pool.h"
#include "worker/disk/file_closer.h"
#include "worker/disk/pool.h"
#include "worker/http/body.h"

#include <cstdint>
#include <memory>

namespace fsrv::disk {

class FileReader {
  public:
    virtual void on_chunk_read() = 0;
    // The disk does not answer; the read waits on, unless abandon()ed now.
    virtual void on_disk_ill() = 0;

  protected:
    ~FileReader() = default;
};

struct FileRead final : disk::Job {
    struct Order {
        std::shared_ptr<const http::OpenFile> file;
        std::uint64_t offset = 0;
        std::size_t length = 0;     // wanted; read is what the buffer has room for
        bool may_be_cached = false; // worth a try that does not wait
    };

    FileRead(ChunkPool& its_chunks, FileCloser* its_closer, FileReader& its_reader)
        : chunks(its_chunks), closer(its_closer), reader(&its_reader) {}
    ~FileRead() override;

    void run() override;
    void on_done() override { reader->on_chunk_read(); }
    void on_ill() override { reader->on_disk_ill(); }
    void on_orphaned() override { delete this; }

    ChunkPool& chunks;
    FileCloser* closer; // none: files close at once
    FileReader* reader;
    Order order;
    // What came of it.
    Chunk* chunk = nullptr;  // none: no memory
    std::size_t wanted = 0;  // of the order's bytes
    bool was_cached = false; // all of them
    std::int64_t result = 0; // bytes, or minus errno
    bool unchanged = false;  // the file, after the read
};

// Is the open file still what was planned, as far as --in-place-writes says that this matters?
bool is_unchanged(const http::OpenFile& file);

} // namespace fsrv::disk
