// Opening: the next parts of a body, had by the pool for one that sends them.
#pragma once

#include "worker/disk/file_closer.h"
#include "worker/disk/file_read.h"
#include "worker/disk/pool.h"
#include "worker/http/body.h"

#include <vector>

namespace fsrv::disk {

// Abandoned, it keeps the parts until the thread is back.
struct Opening final : disk::Job {
    Opening(FileCloser* its_closer, FileReader& its_reader, http::PartsExtent its_extent)
        : closer(its_closer), reader(&its_reader), extent(std::move(its_extent)) {}
    ~Opening() override;

    dev_t device() const { return extent.parts->charged(extent.offset); } // to be charged

    void run() override;
    void on_done() override { reader->on_chunk_read(); }
    void on_ill() override { reader->on_disk_ill(); }
    void on_orphaned() override { delete this; }

    FileCloser* closer; // none: files close at once
    FileReader* reader;
    http::PartsExtent extent;
    // What came of it.
    http::Parts::Had had = http::Parts::Had::none_yet;
    std::vector<http::Segment> segments;
};

} // namespace fsrv::disk
