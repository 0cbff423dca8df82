#include "worker/content/file_hash.h"

#include "common/limits.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <sys/stat.h>
#include <unistd.h>

namespace fsrv::content {
namespace {

// Read and hashed while a processor's cache has it.
constexpr std::size_t kHashedAtOnce = 128 * 1024;
// Others may need the thread.
constexpr std::int64_t kWaitedAtOnceNs = 20'000'000;

// So much later than `time`, before or after, it is no longer near it.
std::int64_t stays_near_ns(FileTime time, FileTime now, std::int64_t near_ns) {
    const std::int64_t seconds = now.seconds - time.seconds;
    if (seconds > near_ns / 1'000'000'000 + 1 || seconds < -near_ns / 1'000'000'000 - 1) return 0;
    const std::int64_t age_ns = seconds * 1'000'000'000 + now.nanoseconds - time.nanoseconds;
    return age_ns <= -near_ns ? 0 : near_ns - age_ns;
}

} // namespace

FileVersion version_of(const http::OpenFile& file) {
    return {.device = file.device,
            .inode = file.inode,
            .size = file.size,
            .mtime = file.mtime,
            .ctime = file.ctime};
}

std::int64_t settles_in_ns(const http::OpenFile& file, FileTime now) {
    const std::int64_t near_ns = file.local ? limits::kYoungFileNs : limits::kYoungFarFileNs;
    return std::max(stays_near_ns(file.mtime, now, near_ns),
                    stays_near_ns(file.ctime, now, near_ns));
}

FileHash::FileHash(std::shared_ptr<const http::OpenFile> file, std::uint64_t piece_bytes)
    : file_(std::move(file)), piece_bytes_(piece_bytes) {}

FileHash::State FileHash::go_on(std::uint64_t most) {
    if (offset_ == 0 && !wait_until_settled()) return State::more;
    std::string buffer(
        static_cast<std::size_t>(std::min<std::uint64_t>(kHashedAtOnce, file_->size - offset_)), 0);
    const std::uint64_t end = offset_ + std::min(most, file_->size - offset_);
    while (offset_ < end) {
        const auto wanted =
            static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - offset_));
        const ssize_t n =
            ::pread(file_->fd.get(), buffer.data(), wanted, static_cast<off_t>(offset_));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return State::unreadable;
        if (n == 0) return State::changed;
        add(std::string_view(buffer).substr(0, static_cast<std::size_t>(n)));
    }
    if (offset_ < file_->size) return State::more;
    if (!is_as_opened()) return State::changed;
    whole_ = hash_.finish();
    return State::done;
}

// Only time settles a file: there is no event.
bool FileHash::wait_until_settled() const {
    const std::int64_t ns = settles_in_ns(*file_, wall_now());
    if (ns <= 0) return true;
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, std::chrono::nanoseconds(std::min(ns, kWaitedAtOnceNs)),
                   [] { return false; });
    return settles_in_ns(*file_, wall_now()) <= 0;
}

void FileHash::add(std::string_view bytes) {
    hash_.add(bytes);
    while (piece_bytes_ > 0 && !bytes.empty()) {
        const std::string_view part = bytes.substr(0, piece_bytes_ - offset_ % piece_bytes_);
        piece_hash_.add(part);
        bytes.remove_prefix(part.size());
        offset_ += part.size();
        if (offset_ % piece_bytes_ == 0 || offset_ == file_->size)
            pieces_.push_back(piece_hash_.finish());
    }
    offset_ += bytes.size();
}

bool FileHash::is_as_opened() const {
    struct stat now {};
    return ::fstat(file_->fd.get(), &now) == 0 &&
           static_cast<std::uint64_t>(now.st_size) == file_->size &&
           FileTime{now.st_mtim.tv_sec, now.st_mtim.tv_nsec} == file_->mtime &&
           FileTime{now.st_ctim.tv_sec, now.st_ctim.tv_nsec} == file_->ctime;
}

} // namespace fsrv::content
