#include "worker/net/sender.h"

#include "common/check.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace fsrv::net {
namespace {

constexpr unsigned kVectors = 16;

std::uint64_t length_of(const http::Segment& segment) {
    return std::visit([](const auto& extent) { return extent.length; }, segment);
}

iovec to_vector(const char* data, std::size_t length) {
    return {.iov_base = const_cast<char*>(data), .iov_len = length};
}

} // namespace

Sender::Sender(const SenderContext& context, SenderOwner& owner, std::string head, http::Body body)
    : context_(context), owner_(owner), head_(std::move(head)), body_(std::move(body)) {}

Sender::~Sender() {
    FSRV_CHECK(!reading_, "a pool thread still writes into the chunk");
    context_.chunks->give_back(chunk_);
}

Sender::Step Sender::pump(int fd) {
    FSRV_CHECK(!reading_, "pumped while a read is under way");
    for (std::size_t turn = 0; turn < limits::kTurnBytes;) {
        while (segment_ < body_.segments.size() &&
               segment_sent_ == length_of(body_.segments[segment_])) {
            ++segment_;
            segment_sent_ = 0;
        }
        if (extent_at_front() && chunk_sent_ == chunk_filled_) {
            switch (load()) {
            case Load::ready: break;
            case Load::wait_disk: return Step::wait_disk;
            case Load::failed: return Step::failed;
            }
        }
        std::array<iovec, kVectors> vectors;
        bool more_follows = false;
        const unsigned count = gather(vectors.data(), kVectors, more_follows);
        if (count == 0) {
            release_buffer();
            return Step::complete;
        }
        const msghdr message{.msg_name = nullptr,
                             .msg_namelen = 0,
                             .msg_iov = vectors.data(),
                             .msg_iovlen = count,
                             .msg_control = nullptr,
                             .msg_controllen = 0,
                             .msg_flags = 0};
        // MSG_MORE: a part's head leaves in one packet with the bytes that are about to be read.
        const ssize_t n =
            ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT | (more_follows ? MSG_MORE : 0));
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) return Step::wait_writable;
            failure_ = CloseReason::client_aborted;
            return Step::failed;
        }
        advance(static_cast<std::size_t>(n));
        turn += static_cast<std::size_t>(n);
    }
    return Step::yield;
}

void Sender::settle_read() {
    const ssize_t result = chunk_->request.result;
    uv_fs_req_cleanup(&chunk_->request);
    reading_ = false;
    chunk_filled_ = 0;
    chunk_sent_ = 0;
    // A failure shows when pump() loads again: it finds failed_read_ and does not read.
    failed_read_ = finish_load(result) == Load::failed;
}

void Sender::release_buffer() {
    FSRV_CHECK(!reading_, "buffer released under a read");
    context_.chunks->give_back(std::exchange(chunk_, nullptr));
    chunk_filled_ = 0;
    chunk_sent_ = 0;
}

Sender::Load Sender::load() {
    if (failed_read_) return Load::failed;
    const http::FileExtent& extent = *extent_at_front();
    if (!chunk_) chunk_ = context_.chunks->take();
    if (!chunk_) {
        failure_ = CloseReason::internal;
        return Load::failed;
    }
    wanted_ = static_cast<std::size_t>(
        std::min<std::uint64_t>(chunk_->capacity, extent.length - segment_sent_));
    const auto offset = static_cast<std::int64_t>(extent.offset + segment_sent_);
    if (context_.io == IoMode::inline_) {
        ssize_t n = 0;
        do n = ::pread(extent.file->fd.get(), chunk_->data(), wanted_, offset);
        while (n < 0 && errno == EINTR);
        return finish_load(n < 0 ? -errno : n);
    }
    const uv_buf_t buffer = uv_buf_init(chunk_->data(), static_cast<unsigned>(wanted_));
    chunk_->request.data = &owner_;
    const int error = uv_fs_read(
        context_.loop, &chunk_->request, extent.file->fd.get(), &buffer, 1, offset,
        [](uv_fs_t* request) { static_cast<SenderOwner*>(request->data)->on_chunk_read(); });
    if (error != 0) {
        failure_ = CloseReason::internal;
        return Load::failed;
    }
    reading_ = true;
    return Load::wait_disk;
}

Sender::Load Sender::finish_load(ssize_t result) {
    if (result < 0) {
        failure_ = CloseReason::read_error;
        return Load::failed;
    }
    // The extent lay within the file when it was planned, so fewer bytes mean that the file became
    // shorter.
    if (static_cast<std::size_t>(result) != wanted_ || !file_unchanged(*extent_at_front()->file)) {
        failure_ = CloseReason::file_changed;
        return Load::failed;
    }
    chunk_filled_ = wanted_;
    chunk_sent_ = 0;
    return Load::ready;
}

bool Sender::file_unchanged(const http::OpenFile& file) {
    struct stat now {};
    return ::fstat(file.fd.get(), &now) == 0 &&
           static_cast<std::uint64_t>(now.st_size) == file.size &&
           FileTime{now.st_mtim.tv_sec, now.st_mtim.tv_nsec} == file.mtime;
}

unsigned Sender::gather(iovec* vectors, unsigned capacity, bool& more_follows) const {
    unsigned count = 0;
    if (head_sent_ < head_.size()) {
        vectors[count++] = to_vector(head_.data() + head_sent_, head_.size() - head_sent_);
    }
    std::uint64_t skip = segment_sent_;
    for (std::size_t i = segment_; i < body_.segments.size() && count < capacity; ++i, skip = 0) {
        if (const auto* memory = std::get_if<http::MemoryExtent>(&body_.segments[i])) {
            if (memory->length == skip) continue;
            vectors[count++] = to_vector(memory->bytes->data() + memory->offset + skip,
                                         static_cast<std::size_t>(memory->length - skip));
            continue;
        }
        // Only the extent at the front has its bytes loaded; they may be fewer than it needs.
        if (i == segment_ && chunk_filled_ > chunk_sent_) {
            vectors[count++] = to_vector(chunk_->data() + chunk_sent_, chunk_filled_ - chunk_sent_);
            if (chunk_filled_ - chunk_sent_ == length_of(body_.segments[i]) - skip) continue;
        }
        more_follows = true;
        break;
    }
    return count;
}

void Sender::advance(std::size_t bytes) {
    sent_ += bytes;
    if (head_sent_ < head_.size()) {
        const std::size_t of_head = std::min(bytes, head_.size() - head_sent_);
        head_sent_ += of_head;
        bytes -= of_head;
        if (head_sent_ == head_.size()) {
            head_ = {};
            head_sent_ = 0;
        }
    }
    body_sent_ += bytes;
    while (bytes > 0) {
        const http::Segment& segment = body_.segments[segment_];
        const auto part = static_cast<std::size_t>(
            std::min<std::uint64_t>(bytes, length_of(segment) - segment_sent_));
        if (std::holds_alternative<http::FileExtent>(segment)) chunk_sent_ += part;
        segment_sent_ += part;
        bytes -= part;
        if (segment_sent_ == length_of(segment)) {
            ++segment_;
            segment_sent_ = 0;
        }
    }
}

const http::FileExtent* Sender::extent_at_front() const {
    return segment_ < body_.segments.size()
               ? std::get_if<http::FileExtent>(&body_.segments[segment_])
               : nullptr;
}

} // namespace fsrv::net
