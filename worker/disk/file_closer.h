// FileCloser: lets go of files. Closing one of a server of files asks the server (FUSE, NFS), which
// may not answer, so the pool does it. Thread: the loop's.
#pragma once

#include "worker/disk/pool.h"
#include "worker/http/body.h"

#include <cstddef>
#include <memory>

namespace fsrv::disk {

class FileCloser final {
  public:
    explicit FileCloser(disk::Pool& pool) : pool_(pool) {}
    FileCloser(const FileCloser&) = delete;
    FileCloser& operator=(const FileCloser&) = delete;

    // The body dies, here; files that this was the last to hold are closed now or in the pool.
    void let_go(http::Body body);
    void let_go(std::shared_ptr<const http::OpenFile> file);
    std::size_t pending() const { return pending_; } // files that are still to be closed

  private:
    struct Closing;

    disk::Pool& pool_;
    std::size_t pending_ = 0;
};

} // namespace fsrv::disk
