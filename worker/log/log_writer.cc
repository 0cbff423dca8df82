#include "worker/log/log_writer.h"

#include "common/limits.h"
#include "common/log.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>

namespace fsrv::log {
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

std::size_t piece_bytes_of(int fd) {
    struct stat st {};
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? limits::kLogPieceBytes : PIPE_BUF;
}

bool is_same_file(int a, int b) {
    struct stat of_a {};
    struct stat of_b {};
    return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
           of_a.st_ino == of_b.st_ino;
}

} // namespace

void LogTrouble::add(const LogTrouble& more) {
    failed_lines += more.failed_lines;
    if (more.error != 0) error = more.error;
    slow_lines += more.slow_lines;
    burst_lines += more.burst_lines;
}

std::string LogTrouble::text() const {
    std::string out;
    const auto tell = [&](std::uint64_t lines, std::string_view why) {
        if (lines == 0) return;
        out += fmt::format("{}{} line{}: {}", out.empty() ? "" : "; ", lines, lines == 1 ? "" : "s",
                           why);
    };
    tell(failed_lines, errno_text(error));
    tell(slow_lines, "it does not take them fast enough");
    tell(burst_lines, "too many in too short a time");
    return out;
}

LogWriter::LogWriter(UniqueFd fd) : fd_(std::move(fd)), piece_bytes_(piece_bytes_of(fd_.get())) {
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
    bool piece_is_full = false;
    {
        std::lock_guard lock(mutex_);
        if (queue_.size() + line.size() > limits::kLogQueueBytes) {
            const bool slow =
                writing_since_ != Clock::time_point() &&
                Clock::now() - writing_since_ > std::chrono::milliseconds(limits::kLogSlowMs);
            ++(slow ? trouble_.slow_lines : trouble_.burst_lines);
            return;
        }
        const std::size_t before = queue_.size();
        queue_ += line;
        piece_is_full = before < limits::kLogPieceBytes && queue_.size() >= limits::kLogPieceBytes;
    }
    fresh_ = true;
    if (piece_is_full) wake_.notify_one(); // before the end of a turn that makes many
}

void LogWriter::flush() {
    if (!fresh_) return;
    fresh_ = false;
    bool wake = false;
    {
        std::lock_guard lock(mutex_);
        wake = sleeping_;
    }
    if (wake) wake_.notify_one();
}

void LogWriter::replace(UniqueFd fd) {
    {
        std::lock_guard lock(mutex_);
        replacements_.push_back(std::move(fd));
    }
    wake_.notify_one();
}

bool LogWriter::stop(unsigned patience_ms) {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
    return finished_.wait_for(lock, std::chrono::milliseconds(patience_ms),
                              [this] { return done_; });
}

LogTrouble LogWriter::take_trouble() {
    std::lock_guard lock(mutex_);
    return std::exchange(trouble_, {});
}

void LogWriter::run() {
    std::string batch;
    std::unique_lock lock(mutex_);
    while (true) {
        sleeping_ = true;
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty() || !replacements_.empty(); });
        sleeping_ = false;
        if (!replacements_.empty()) {
            use_latest(lock);
            continue;
        }
        if (queue_.empty()) break; // stopping
        batch.clear();
        batch.swap(queue_);
        writing_since_ = Clock::now();
        lock.unlock();
        LogTrouble trouble;
        write_all(batch, trouble);
        lock.lock();
        writing_since_ = {};
        trouble_.add(trouble);
        // Lines that come at short intervals are written together.
        wake_.wait_for(lock, std::chrono::milliseconds(limits::kLogPauseMs), [this] {
            return stopping_ || !replacements_.empty() || queue_.size() >= limits::kLogPieceBytes;
        });
    }
    done_ = true;
    finished_.notify_all();
}

// Without the lock: to look at a file and to close it can take as long as to write to it.
void LogWriter::use_latest(std::unique_lock<std::mutex>& lock) {
    std::vector<UniqueFd> taken;
    taken.swap(replacements_);
    lock.unlock();
    torn_ = torn_ && is_same_file(fd_.get(), taken.back().get());
    std::swap(fd_, taken.back());
    piece_bytes_ = piece_bytes_of(fd_.get());
    taken.clear();
    lock.lock();
}

void LogWriter::write_all(std::string_view batch, LogTrouble& trouble) {
    while (!batch.empty()) {
        const std::string_view piece = first_lines(batch, piece_bytes_);
        batch.remove_prefix(piece.size());
        errno = 0;
        const std::size_t lost = write_piece(piece);
        if (lost == 0) continue;
        trouble.error = errno;
        trouble.failed_lines +=
            std::max<std::uint64_t>(count_lines(piece.substr(piece.size() - lost)), 1);
    }
}

std::size_t LogWriter::write_piece(std::string_view piece) {
    if (torn_ && ::write(fd_.get(), "\n", 1) == 1) torn_ = false;
    while (!piece.empty()) {
        const ssize_t n = ::write(fd_.get(), piece.data(), piece.size());
        if (n > 0) { // in part: the disk is nearly full
            torn_ = piece[static_cast<std::size_t>(n) - 1] != '\n';
            piece.remove_prefix(static_cast<std::size_t>(n));
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            // Somebody made the description non-blocking; this thread may wait.
            pollfd waiting{.fd = fd_.get(), .events = POLLOUT, .revents = 0};
            if (::poll(&waiting, 1, 1000) > 0) continue;
            errno = EAGAIN;
        }
        return piece.size();
    }
    return 0;
}

} // namespace fsrv::log
