// Production: some bytes of a stream, made by the pool for one that sends them. The buffer is taken
// when a thread comes to it, as that of a FileRead.
#pragma once

#include "worker/disk/chunk_pool.h"
#include "worker/disk/file_closer.h"
#include "worker/disk/file_read.h"
#include "worker/disk/pool.h"
#include "worker/http/body.h"

namespace fsrv::disk {

// Abandoned, it keeps producer and file until the thread is back.
struct Production final : disk::Job {
    Production(ChunkPool& its_chunks, FileCloser* its_closer, FileReader& its_reader,
               http::Stream its_stream)
        : chunks(its_chunks),
          closer(its_closer),
          reader(&its_reader),
          stream(std::move(its_stream)),
          charged(stream.file ? stream.file->charged : stream.charged) {}
    ~Production() override;

    // Before it is submitted, each time.
    void aim() { charged = stream.producer->asks().value_or(charged); }
    dev_t device() const { return charged; } // to be charged

    void run() override;
    void on_done() override { reader->on_chunk_read(); }
    void on_ill() override { reader->on_disk_ill(); }
    void on_orphaned() override { delete this; }

    ChunkPool& chunks;
    FileCloser* closer; // none: files close at once
    FileReader* reader;
    http::Stream stream;
    std::uint64_t charged;
    // What came of it.
    Chunk* chunk = nullptr;
    http::Producer::Made made;
};

} // namespace fsrv::disk
