#include "worker/net/log_writer.h"

#include "common/limits.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <poll.h>
#include <pthread.h>

namespace fsrv::net {
namespace {

std::uint64_t count_lines(std::string_view text) {
    return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

// As many whole lines as fit in `limit` bytes, at least one.
std::string_view first_lines(std::string_view text, std::size_t limit) {
    if (text.size() <= limit) return text;
    std::size_t end = text.rfind('\n', limit - 1);
    if (end == std::string_view::npos) end = text.find('\n');
    return text.substr(0, end == std::string_view::npos ? text.size() : end + 1);
}

} // namespace

LogWriter::LogWriter(UniqueFd fd) : fd_(std::move(fd)) {
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    thread_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

LogWriter::~LogWriter() {
    if (thread_.joinable()) {
        stop(UINT_MAX);
        thread_.join();
    }
}

void LogWriter::push(std::string_view line) {
    std::lock_guard lock(mutex_);
    if (queue_.size() + line.size() > limits::kLogQueueBytes) {
        ++trouble_.lost_lines;
        return;
    }
    queue_ += line;
    fresh_ = true;
}

void LogWriter::flush() {
    if (!fresh_) return;
    fresh_ = false;
    bool wake = false;
    {
        std::lock_guard lock(mutex_);
        wake = sleeping_ || queue_.size() >= limits::kLogPieceBytes;
    }
    if (wake) wake_.notify_one();
}

void LogWriter::replace(UniqueFd fd) {
    std::lock_guard lock(mutex_);
    replacement_ = std::move(fd);
}

bool LogWriter::stop(unsigned patience_ms) {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
    return finished_.wait_for(lock, std::chrono::milliseconds(patience_ms),
                              [this] { return done_; });
}

LogWriter::Trouble LogWriter::take_trouble() {
    std::lock_guard lock(mutex_);
    return std::exchange(trouble_, {});
}

void LogWriter::run() {
    std::string batch;
    std::unique_lock lock(mutex_);
    while (true) {
        sleeping_ = true;
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        sleeping_ = false;
        if (replacement_) fd_ = std::move(replacement_);
        if (queue_.empty() && stopping_) break;
        batch.clear();
        batch.swap(queue_);
        lock.unlock();
        std::uint64_t lost = 0;
        int error = 0;
        for (std::string_view rest = batch; !rest.empty();) {
            const std::string_view part = first_lines(rest, PIPE_BUF);
            rest.remove_prefix(part.size());
            errno = 0;
            if (const std::size_t unwritten = write_batch(fd_.get(), part); unwritten > 0) {
                error = errno;
                lost +=
                    std::max<std::uint64_t>(count_lines(part.substr(part.size() - unwritten)), 1);
            }
        }
        lock.lock();
        trouble_.lost_lines += lost;
        if (error != 0) trouble_.error = error;
        // Lines that come at short intervals are written together.
        wake_.wait_for(lock, std::chrono::milliseconds(limits::kLogPauseMs),
                       [this] { return stopping_ || queue_.size() >= limits::kLogPieceBytes; });
    }
    done_ = true;
    finished_.notify_all();
}

std::size_t LogWriter::write_batch(int fd, std::string_view batch) {
    if (torn_ && ::write(fd, "\n", 1) == 1)
        torn_ = false; // half a line stands there from when the disk was full
    while (!batch.empty()) {
        const ssize_t n = ::write(fd, batch.data(), batch.size());
        if (n > 0) {
            batch.remove_prefix(
                static_cast<std::size_t>(n)); // a short write: the disk is nearly full
            torn_ = !batch.empty();
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 &&
            errno == EAGAIN) { // somebody made the description non-blocking; this thread may wait
            pollfd waiting{.fd = fd, .events = POLLOUT, .revents = 0};
            if (::poll(&waiting, 1, 1000) > 0) continue;
            errno = EAGAIN;
        }
        return batch.size();
    }
    return 0;
}

} // namespace fsrv::net
