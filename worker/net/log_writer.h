// Writes the access log in a thread of its own, so that a log that is full, slow, dead or stopped
// never delays an answer: lines wait in a bounded queue; what does not fit, or cannot be written,
// is dropped and counted. Whole lines only, each inside one write(), several in one when they fit
// in PIPE_BUF, so that lines of several workers never mix (the file is O_APPEND). A line is written
// at once, those that follow it within limits::kLogPauseMs together: waking the thread for each
// turn of the loop costs more than making the lines.
#pragma once

#include "common/unique_fd.h"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace fsrv::net {

class LogWriter final {
  public:
    explicit LogWriter(UniqueFd fd); // starts the thread; signals are blocked in it
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;
    ~LogWriter(); // stop()

    // Thread: the loop's.
    void push(std::string_view line); // with its newline
    void flush(); // once a turn of the loop: wakes the thread for what is new, unless it pauses
    void replace(UniqueFd fd); // what is written from now on goes there

    // Writes what is queued for at most `patience_ms`; false when the log did not take it and the
    // thread still hangs in a write: then nothing of this object may be destroyed, the process must
    // end by _exit().
    bool stop(unsigned patience_ms);

    // Lines lost since the last call, and why (0: the queue was full; else the errno of the write).
    struct Trouble {
        std::uint64_t lost_lines = 0;
        int error = 0;
    };
    Trouble take_trouble();

  private:
    void run();
    std::size_t write_batch(int fd, std::string_view batch); // lines lost

    std::mutex mutex_;
    std::condition_variable wake_;
    std::condition_variable finished_;
    std::string queue_;
    UniqueFd replacement_;
    Trouble trouble_;
    bool stopping_ = false;
    bool done_ = false;
    bool sleeping_ = false;
    bool fresh_ = false; // the loop's: pushed since the last flush
    UniqueFd fd_;        // the thread's, as is torn_
    bool torn_ = false;
    std::thread thread_;
};

} // namespace fsrv::net
