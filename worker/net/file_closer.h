// FileCloser: lets go of files. Closing one of a server of files asks the server (FUSE, NFS), which
// may not answer, so the pool does it, as the device's share allows. Thread: the loop's.
#pragma once

#include "worker/http/body.h"
#include "worker/net/pool_shares.h"

#include <cstddef>
#include <uv.h>

namespace fsrv::net {

class FileCloser final {
  public:
    FileCloser(uv_loop_t& loop, PoolShares& pool) : loop_(loop), pool_(pool) {}
    FileCloser(const FileCloser&) = delete;
    FileCloser& operator=(const FileCloser&) = delete;

    // The body dies, here; a file that this was the last to hold is closed now or in the pool.
    void let_go(http::Body body);
    std::size_t pending() const { return pending_; } // files that are still to be closed

  private:
    struct Closing;
    void close_in_pool(Closing& closing);

    uv_loop_t& loop_;
    PoolShares& pool_;
    std::size_t pending_ = 0;
};

} // namespace fsrv::net
