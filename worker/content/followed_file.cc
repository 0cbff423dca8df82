#include "worker/content/followed_file.h"

#include "common/quick_calls.h"

#include <algorithm>
#include <cerrno>
#include <unistd.h>
#include <utility>

namespace fsrv::content {
namespace {

// As pread(2), but for signals.
ssize_t read_some(int fd, std::span<char> room, std::uint64_t offset) {
    ssize_t n = 0;
    do {
        n = ::pread(fd, room.data(), room.size(), static_cast<off_t>(offset));
    } while (n < 0 && errno == EINTR);
    return n;
}

// What else may go wrong says nothing of the file.
bool is_nothing_there(int error) {
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP ||
           error == EXDEV;
}

} // namespace

void FollowedFile::begin_at(std::uint64_t first, std::uint64_t end) {
    offset_ = first;
    wanted_end_ = end;
}

bool FollowedFile::look() {
    return quick_fstat(file_->fd.get(), now_) == 0;
}

http::Producer::Made FollowedFile::produce(std::span<char> room) {
    bool is_over = is_to_finish_.load(std::memory_order_acquire);
    while (true) {
        if (!look()) return {.state = State::unreadable};
        const auto size = static_cast<std::uint64_t>(now_.st_size);
        if (is_over && !end_) end_ = size;
        if (size < offset_ || size < end_.value_or(0)) return {.state = State::changed};
        const std::uint64_t until = std::min(end_.value_or(size), wanted_end_);
        if (offset_ < until) return read_on(room, until);
        if (end_ || offset_ >= wanted_end_) return {.state = State::end};
        if (!has_gone()) return {.state = State::none_yet};
        is_over = true; // after what came before it went
    }
}

http::Producer::Made FollowedFile::read_on(std::span<char> room, std::uint64_t until) {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), until - offset_));
    const ssize_t n = read_some(file_->fd.get(), room.first(wanted), offset_);
    if (n < 0) return {.state = State::unreadable};
    const auto bytes = static_cast<std::size_t>(n);
    if (bytes == 0 || !look() || static_cast<std::uint64_t>(now_.st_size) < offset_ + bytes ||
        !stands_as_sent())
        return {.state = State::changed};
    keep_seam(room.first(bytes));
    offset_ += bytes;
    return {.bytes = bytes};
}

bool FollowedFile::stands_as_sent() const {
    if (seam_size_ == 0) return true;
    std::array<char, limits::kFollowSeam> there;
    const ssize_t n =
        read_some(file_->fd.get(), std::span(there).first(seam_size_), offset_ - seam_size_);
    return n == static_cast<ssize_t>(seam_size_) &&
           std::equal(there.begin(), there.begin() + n, seam_.begin());
}

void FollowedFile::keep_seam(std::span<const char> sent) {
    const std::size_t more = std::min(sent.size(), seam_.size());
    const std::size_t kept = std::min(seam_size_, seam_.size() - more);
    std::copy_n(seam_.begin() + static_cast<std::ptrdiff_t>(seam_size_ - kept), kept,
                seam_.begin());
    std::ranges::copy(sent.last(more), seam_.begin() + static_cast<std::ptrdiff_t>(kept));
    seam_size_ = kept + more;
}

// A path that cannot be looked at without waiting for another device leads there still, for all
// that is known.
bool FollowedFile::has_gone() const {
    if (now_.st_nlink == 0) return true;
    Reach reach{.anywhere = false,
                .device = file_->charged,
                .wants = false,
                .wanted = 0,
                .passed = {},
                .mounts = {}};
    const auto entry = resolver_.look(path_, reach);
    if (!entry) return is_nothing_there(entry.error().code);
    return entry->status.st_dev != file_->device || entry->status.st_ino != file_->inode;
}

bool FollowedFile::may_have_more(std::uint64_t now_ms) {
    if (is_to_finish_.load(std::memory_order_relaxed)) return true;
    const bool looks_far = now_ms - looked_far_ms_ >= limits::kFollowFarLookMs;
    if (looks_far) looked_far_ms_ = now_ms;
    if (!file_->local) return looks_far;
    if (!look() || static_cast<std::uint64_t>(now_.st_size) != offset_ || now_.st_nlink == 0)
        return true;
    return looks_far && !resolver_.surely_still(path_, file_->device, file_->inode);
}

void follow(http::Resource& found, std::shared_ptr<const http::OpenFile> file,
            const http::Target::Follow& how, const Resolver& resolver, const std::string& headers) {
    auto producer = std::make_shared<FollowedFile>(file, resolver, found.path);
    found.body = {};
    found.body.segments.emplace_back(
        http::Stream{.producer = std::move(producer), .file = std::move(file)});
    found.followed.emplace(http::Resource::Followed{.tail = how.tail});
    found.negotiated = false;
    found.validators.reset();
    found.may_be_kept = false;
    found.extra_fields = "Cache-Control: no-store, no-transform\r\n"
                         "X-Accel-Buffering: no\r\n"; // nginx would gather it
    found.rule_fields = headers;
}

} // namespace fsrv::content
