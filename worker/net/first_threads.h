// Threads are there before a worker says that it is ready, or it says why not: a limit of tasks is
// met at the start, not by the first request.
#pragma once

#include <uv.h>

namespace fsrv::net {

// While it lives, a library that gives up because there is no thread to be had ends the process
// with kExitTasks, which the supervisor explains: libuv aborts, the C++ library terminates.
class NoThreadsEndIt final {
  public:
    NoThreadsEndIt();
    ~NoThreadsEndIt();
    NoThreadsEndIt(const NoThreadsEndIt&) = delete;
    NoThreadsEndIt& operator=(const NoThreadsEndIt&) = delete;

  private:
    void (*terminate_before_)();
};

// All threads of libuv's pool, which it would make when they are first asked for something.
void start_pool_threads(uv_loop_t& loop);

} // namespace fsrv::net
