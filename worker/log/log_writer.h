// Writes the access log in a thread of its own, so that a log that is full, slow, dead or stopped
// never delays an answer: lines wait in a bounded queue; what does not fit, or cannot be written,
// is dropped and counted. Whole lines only, each inside one write(), so that lines of several
// workers never mix: a regular file (O_APPEND) takes pieces of kLogPieceBytes, everything else, a
// pipe or the journal's socket, takes PIPE_BUF in one piece and no more. A line is written at once,
// those that follow it within limits::kLogPauseMs together, but for a piece that is full: waking
// the thread for each turn of the loop costs more than making the lines.
#pragma once

#include "common/unique_fd.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace fsrv::log {

// Lines that were lost, by the reason.
struct LogTrouble {
    std::uint64_t failed_lines = 0; // the write did, for `error`, the latest
    int error = 0;
    std::uint64_t slow_lines = 0; // the log did not take those before them within kLogSlowMs
    std::uint64_t burst_lines =
        0; // came faster than the thread gets to write, to a log that is fast

    std::uint64_t lines() const { return failed_lines + slow_lines + burst_lines; }
    void add(const LogTrouble& more);
    std::string text() const; // "3 lines: why", more reasons behind a semicolon
};

class LogWriter final {
  public:
    explicit LogWriter(UniqueFd fd); // starts the thread; signals are blocked in it
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;
    ~LogWriter(); // stop()

    // Thread: the loop's.
    void push(std::string_view line); // with its newline
    void flush(); // once a turn of the loop: wakes the thread for what is new, unless it pauses
    // What is written from now on goes there. The thread closes the old one, and soon: that of a
    // network file system may take its time.
    void replace(UniqueFd fd);

    // Writes what is queued for at most `patience_ms`; false when the log did not take it and the
    // thread still hangs in a write: then nothing of this object may be destroyed, the process must
    // end by _exit().
    bool stop(unsigned patience_ms);

    LogTrouble take_trouble(); // since the last call

  private:
    using Clock = std::chrono::steady_clock;

    void run();
    void use_latest(std::unique_lock<std::mutex>& lock);
    void write_all(std::string_view batch, LogTrouble& trouble);
    std::size_t write_piece(std::string_view piece); // bytes lost at its end; errno tells why

    std::mutex mutex_;
    std::condition_variable wake_;
    std::condition_variable finished_;
    std::string queue_;
    // That are not in use yet: the last one will be, those before it are to be closed. More than
    // one only while the thread hangs.
    std::vector<UniqueFd> replacements_;
    LogTrouble trouble_;
    Clock::time_point writing_since_; // the thread is in write(); zero: it is not
    bool stopping_ = false;
    bool done_ = false;
    bool sleeping_ = false;
    bool fresh_ = false; // the loop's: pushed since the last flush

    // The thread's.
    UniqueFd fd_;
    std::size_t piece_bytes_ = 0;
    bool torn_ = false; // half a line stands at the end of fd_, from when the disk was full
    std::thread thread_;
};

} // namespace fsrv::log
