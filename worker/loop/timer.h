// Timer: calls a function after a time, once or again and again. Thread: the loop's.
#pragma once

#include "worker/loop/loop.h"

#include <cstdint>
#include <functional>

namespace fsrv::loop {

class Timer final {
  public:
    using Function = std::function<void()>; // may do anything, destroying the Timer included

    explicit Timer(Loop& loop);
    ~Timer(); // nothing is called any more
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    // Calls `function` in `after_ms` (0: in the next iteration), then every `repeat_ms` (0: no
    // more). In place of what was started before. Late calls are not made up for.
    void start(std::uint64_t after_ms, std::uint64_t repeat_ms, Function function);
    // Of one that repeats: the next call comes `repeat_ms` (not 0) from now, and so on; nothing
    // changes if that is how it repeats already.
    void repeat_every(std::uint64_t repeat_ms);
    void stop();

  private:
    struct Handle;
    Loop& loop_;
    Handle* handle_; // libuv has it somewhat longer than this lives
};

} // namespace fsrv::loop
