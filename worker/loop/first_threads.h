// Threads are there before a worker says that it is ready, or it says why not: a limit of tasks is
// met at the start, not by the first request.
#pragma once

namespace fsrv::loop {

// While it lives, a library that gives up because there is no thread to be had ends the process
// with kExitTasks, which the supervisor explains: the C++ library terminates.
class NoThreadsEndIt final {
  public:
    NoThreadsEndIt();
    ~NoThreadsEndIt();
    NoThreadsEndIt(const NoThreadsEndIt&) = delete;
    NoThreadsEndIt& operator=(const NoThreadsEndIt&) = delete;

  private:
    void (*terminate_before_)();
};

} // namespace fsrv::loop
