// Watch: tells, in each iteration anew, as long as a descriptor is ready. For the few that are not
// clients of a worker; those are the Poller's. Thread: the loop's.
#pragma once

#include "worker/loop/loop.h"

#include <functional>

namespace fsrv::loop {

// What a descriptor is watched for, and what has come.
struct Readiness {
    bool readable = false; // or at its end
    bool writable = false;
    bool exceptional = false; // POLLPRI: of a mount table, that it changed
    bool failed = false;      // comes unasked for, alone, and ends the watching
};

class Watch final {
  public:
    using Function =
        std::function<void(Readiness)>; // may do anything, destroying the Watch included

    // The descriptor stays the caller's, and open until close() or the end of the Watch.
    Watch(Loop& loop, int fd);
    ~Watch(); // as close()
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    // False: this descriptor cannot be watched, or the kernel has no memory; nothing else may be
    // called. And after close().
    explicit operator bool() const { return handle_ != nullptr; }

    // In place of what was started before.
    void start(Readiness wanted, Function function);
    void stop();
    bool is_started() const; // and did not fail since

    // For good: nothing is told any more. `closed`, if any, is called when this iteration of the
    // loop ends, and may destroy the Watch and its owner, who lives until then.
    void close(std::function<void()> closed = {});

  private:
    struct Handle;
    Loop& loop_;
    Handle* handle_ = nullptr; // libuv has it somewhat longer than this lives
};

} // namespace fsrv::loop
