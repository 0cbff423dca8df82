#include "worker/net/sender.h"

#include "common/check.h"
#include "common/quick_calls.h"
#include "worker/disk/file_window.h"
#include "worker/disk/whole_read.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/sendfile.h>
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

ssize_t send_vectors(int fd, iovec* vectors, std::size_t count, int flags) {
    const msghdr message{.msg_name = nullptr,
                         .msg_namelen = 0,
                         .msg_iov = vectors,
                         .msg_iovlen = count,
                         .msg_control = nullptr,
                         .msg_controllen = 0,
                         .msg_flags = 0};
    return quick_sendmsg(fd, message, flags);
}

} // namespace

Sender::Sender(const SenderContext& context, SenderOwner& owner, std::string head, http::Body body)
    : context_(context),
      owner_(owner),
      head_(std::move(head)),
      body_(std::move(body)),
      body_size_(body_.size()) {}

Sender::~Sender() {
    if (reading_) context_.pool->abandon(*read_.release());
    read_.reset();
    context_.chunks->give_back(chunk_);
    if (context_.closer) context_.closer->let_go(std::move(body_));
}

Sender::Step Sender::pump(int fd) {
    FSRV_CHECK(!reading_, "pumped while a read is under way");
    std::uint64_t turn = 0;
    while (turn < limits::kTurnBytes || body_sent_ == body_size_) {
        while (segment_ < body_.segments.size() &&
               segment_sent_ == length_of(body_.segments[segment_])) {
            ++segment_;
            segment_sent_ = 0;
            cached_until_ = 0;
        }
        if (chunk_sent_ == chunk_filled_ && segment_ < body_.segments.size()) {
            if (const auto step = send_in_place(fd, limits::kTurnBytes - turn, turn)) {
                if (*step != Step::yield) return *step;
                continue;
            }
            switch (extent_at_front() ? load() : Load::ready) {
            case Load::ready: break;
            case Load::wait_disk: return Step::wait_disk;
            case Load::failed: return Step::failed;
            }
        }
        if (const auto step = push(fd, turn)) return *step;
    }
    return Step::yield;
}

std::optional<Sender::Step> Sender::push(int fd, std::uint64_t& turn) {
    std::array<iovec, kVectors> vectors;
    bool more_follows = false;
    const unsigned count = gather(vectors.data(), kVectors, more_follows);
    if (count == 0) {
        if (more_follows) return std::nullopt;
        release_buffer();
        return Step::complete;
    }
    const bool joined = head_sent_ == head_.size() || context_.joins_head(body_size_);
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (more_follows && joined ? MSG_MORE : 0);
    const ssize_t n = send_vectors(fd, vectors.data(), count, flags);
    if (n >= 0) {
        advance(static_cast<std::size_t>(n));
        turn += static_cast<std::uint64_t>(n) * limits::kCopyWeight;
        return std::nullopt;
    }
    if (errno == EINTR) return std::nullopt;
    return refused_by_socket(errno);
}

Sender::Step Sender::refused_by_socket(int error) {
    if (error == EAGAIN || error == ENOBUFS || error == ENOMEM) return Step::wait_writable;
    failure_ = CloseReason::client_aborted;
    return Step::failed;
}

std::optional<Sender::Step> Sender::send_in_place(int fd, std::uint64_t limit,
                                                  std::uint64_t& turn) {
    return extent_at_front() ? send_cached(fd, limit, turn) : lend_memory(fd, turn);
}

// What is in memory, if any of it still comes before what is to be lent.
std::optional<Sender::Step> Sender::push_head(int fd, std::uint64_t& turn) {
    if (head_.empty()) return std::nullopt;
    if (const auto step = push(fd, turn)) return step;
    return head_.empty() ? std::nullopt : std::optional(Step::yield);
}

bool Sender::to_be_lent(const http::MemoryExtent& extent, std::uint64_t sent) const {
    return extent.lendable && extent.length - sent > limits::kCheapToCopy && context_.lender &&
           context_.lender->able();
}

std::optional<Sender::Step> Sender::lend_memory(int fd, std::uint64_t& turn) {
    const auto& extent = std::get<http::MemoryExtent>(body_.segments[segment_]);
    if (!to_be_lent(extent, segment_sent_)) return std::nullopt;
    if (const auto step = push_head(fd, turn)) return step;
    const std::string_view left = extent.view().substr(segment_sent_);
    const std::string_view part = left.substr(0, limits::kChunkBytes);
    const bool more_follows = part.size() < left.size() || segment_ + 1 < body_.segments.size();
    const ssize_t n = context_.lender->send(fd, {}, part, more_follows);
    if (n >= 0) {
        advance(static_cast<std::size_t>(n), SendPath::zero_copy);
        turn += static_cast<std::uint64_t>(n);
        // To ask once more costs more than an event.
        return context_.lender->socket_was_full() ? Step::wait_writable : Step::yield;
    }
    const int error = errno;
    if (error == EINTR || !context_.lender->able()) return Step::yield; // to be copied, then
    return refused_by_socket(error);
}

std::optional<Sender::Step> Sender::send_cached(int fd, std::uint64_t limit, std::uint64_t& turn) {
    const http::FileExtent& extent = *extent_at_front();
    const http::OpenFile& file = *extent.file;
    const std::uint64_t left = extent.length - segment_sent_;
    if (context_.io != IoMode::automatic || !file.local || left <= limits::kCheapToCopy)
        return std::nullopt;
    disk::PageCache::Device& device = context_.page_cache->device(file.device);
    const std::uint64_t body_left = body_size_ - body_sent_;
    const std::uint64_t tail = file.writes == InPlaceWrites::on ? context_.copied_tail : 0;
    const bool lends = body_left > tail && device.sendfile.is_there();
    const std::uint64_t kept_back = lends ? tail : limits::kCheapToCopy;
    const bool maps = extent.length > limits::kCheapToCopyTwice && device.mapping.is_there();
    if (body_left <= kept_back || !(lends || maps)) return std::nullopt;
    if (!disk::is_unchanged(file)) {
        failure_ = CloseReason::file_changed;
        return Step::failed;
    }
    if (is_filling(file)) return std::nullopt;
    const std::uint64_t most = lends ? limit : limit / limits::kMappedWeight;
    const std::uint64_t length = std::min({left, std::max(most, limits::kCheapToCopy),
                                           body_left - kept_back, find_cached(extent, device)});
    if (length == 0) return std::nullopt;
    if (!lends && context_.joins_head(body_size_)) return send_mapped(fd, length, turn);
    if (const auto step = push_head(fd, turn)) return step;
    return lends ? lend_file(fd, length, turn) : send_mapped(fd, length, turn);
}

// Bytes from the front on that are cached.
std::uint64_t Sender::find_cached(const http::FileExtent& extent, disk::PageCache::Device& device) {
    const std::uint64_t offset = extent.offset + segment_sent_;
    if (cached_until_ > offset) return cached_until_ - offset;
    const auto probed = std::min<std::uint64_t>(limits::kTurnBytes, extent.length - segment_sent_);
    const std::uint64_t found = context_.page_cache->cached(
        device, extent.file->fd.get(), offset, probed,
        close_looks_ > 0 ? disk::PageCache::Look::close : disk::PageCache::Look::quick);
    if (!device.cachestat.is_there()) return 0; // that is no miss
    if (found < probed)
        extent.file->missed_ms = now_ms();
    else if (close_looks_ > 0)
        --close_looks_;
    cached_until_ = offset + found;
    return found;
}

std::optional<Sender::Step> Sender::lend_file(int fd, std::uint64_t length, std::uint64_t& turn) {
    const http::FileExtent& extent = *extent_at_front();
    const http::OpenFile& file = *extent.file;
    auto position = static_cast<off_t>(extent.offset + segment_sent_);
    const ssize_t n = ::sendfile(fd, file.fd.get(), &position, static_cast<std::size_t>(length));
    if (n > 0) {
        advance_file(static_cast<std::uint64_t>(n), SendPath::zero_copy);
        turn += static_cast<std::uint64_t>(n);
        return Step::yield; // to the caller's loop: that one counts the turn
    }
    if (n == 0) {
        failure_ = CloseReason::file_changed;
        return Step::failed;
    }
    switch (errno) {
    case EINTR: return Step::yield;
    case EAGAIN: cached_until_ = 0; return Step::wait_writable; // who knows how long: ask anew
    case EINVAL:
    case ENOSYS:
    case EPERM:
    case EOPNOTSUPP:
        context_.page_cache->device(file.device).sendfile.failed(errno);
        return std::nullopt;
    case EPIPE:
    case ECONNRESET: failure_ = CloseReason::client_aborted; return Step::failed;
    default: failure_ = CloseReason::read_error; return Step::failed;
    }
}

std::optional<Sender::Step> Sender::send_mapped(int fd, std::uint64_t length, std::uint64_t& turn) {
    const http::FileExtent& extent = *extent_at_front();
    const http::OpenFile& file = *extent.file;
    const auto size = static_cast<std::size_t>(length);
    const disk::FileWindow window(file.fd.get(), extent.offset + segment_sent_, size);
    if (!window) {
        context_.page_cache->device(file.device).mapping.failed(errno);
        return std::nullopt;
    }
    std::array vectors{to_vector(head_.data() + head_sent_, head_.size() - head_sent_),
                       to_vector(window.data(), size)};
    // The end of the body is kept back.
    const ssize_t n =
        send_vectors(fd, vectors.data(), vectors.size(), MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE);
    if (n >= 0) {
        const std::size_t of_head = std::min(static_cast<std::size_t>(n), vectors[0].iov_len);
        advance(of_head);
        advance_file(static_cast<std::size_t>(n) - of_head, SendPath::copied);
        turn += static_cast<std::uint64_t>(n) * limits::kMappedWeight;
        return Step::yield;
    }
    if (errno == EINTR) return Step::yield;
    if (errno == EFAULT) return std::nullopt; // shorter now, or unreadable: a read finds out
    if (errno == EAGAIN) cached_until_ = 0;
    return refused_by_socket(errno);
}

void Sender::advance_file(std::uint64_t bytes, SendPath path) {
    segment_sent_ += bytes;
    body_sent_ += bytes;
    sent_ += bytes;
    count_sent(path, bytes);
}

// The disk may still be filling what is counted as cached, and sendfile would wait for it. Nor is
// the loop to touch what comes fresh from there: that takes milliseconds for a megabyte, which a
// thread of the pool can give way in.
bool Sender::is_filling(const http::OpenFile& file) const {
    return file.missed_ms != 0 && now_ms() - file.missed_ms < limits::kFillingMs;
}

void Sender::settle_read() {
    reading_ = false;
    const disk::FileRead::Order& order = read_->order;
    if (order.may_be_cached) {
        const http::OpenFile& file = *order.file;
        file.found_in_a_row = read_->was_cached ? file.found_in_a_row + 1 : 0;
        if (!read_->was_cached)
            file.missed_ms = now_ms();
        else if (file.found_in_a_row >= limits::kFoundInARow)
            file.missed_ms = 0;
    }
    chunk_ = std::exchange(read_->chunk, nullptr);
    wanted_ = read_->wanted;
    // A failure shows when pump() loads again.
    failed_read_ = finish_load(read_->result, read_->unchanged) == Load::failed;
}

void Sender::give_up_read(CloseReason reason) {
    FSRV_CHECK(reading_, "given up is what is under way");
    reading_ = false;
    context_.pool->abandon(*read_.release());
    failed_read_ = true;
    failure_ = reason;
}

void Sender::release_buffer() {
    FSRV_CHECK(!reading_, "buffer released under a read");
    read_.reset();
    context_.chunks->give_back(std::exchange(chunk_, nullptr));
    chunk_filled_ = 0;
    chunk_sent_ = 0;
    cached_until_ = 0;
}

Sender::Load Sender::load() {
    if (failed_read_) return Load::failed;
    const http::FileExtent& extent = *extent_at_front();
    const std::uint64_t offset = extent.offset + segment_sent_;
    chunk_filled_ = 0;
    chunk_sent_ = 0;
    const bool may_ask =
        context_.io == IoMode::inline_ ||
        (context_.io == IoMode::automatic && extent.file->local && !is_filling(*extent.file));
    if (!may_ask) return load_in_pool(extent, offset);
    if (!chunk_) chunk_ = context_.chunks->take();
    if (!chunk_) return load_failed(CloseReason::internal);
    wanted_ = static_cast<std::size_t>(
        std::min<std::uint64_t>(chunk_->capacity, extent.length - segment_sent_));
    chunk_path_ = SendPath::copied;
    return load_on_loop(extent, offset);
}

Sender::Load Sender::load_on_loop(const http::FileExtent& extent, std::uint64_t offset) {
    if (context_.io == IoMode::inline_) {
        const std::int64_t result =
            disk::read_whole(extent.file->fd.get(), chunk_->data(), wanted_, offset);
        return finish_load(result, disk::is_unchanged(*extent.file));
    }
    // Anything short of all of it, an error too, is for the pool to find out: it may wait.
    if (!load_cached(extent, offset, 0, wanted_)) {
        extent.file->missed_ms = now_ms();
        return load_in_pool(extent, offset);
    }
    // The parts of a multipart answer are small: as many as fit leave together.
    for (std::size_t i = segment_ + 1; i < body_.segments.size(); ++i) {
        const auto* next = std::get_if<http::FileExtent>(&body_.segments[i]);
        if (!next) continue;
        if (next->file != extent.file || next->length > chunk_->capacity - wanted_ ||
            !load_cached(*next, next->offset, wanted_, next->length))
            break;
        wanted_ += next->length;
    }
    return finish_load(static_cast<std::int64_t>(wanted_), disk::is_unchanged(*extent.file));
}

bool Sender::load_cached(const http::FileExtent& extent, std::uint64_t offset, std::size_t at,
                         std::size_t length) {
    disk::PageCache::Device& device = context_.page_cache->device(extent.file->device);
    const ssize_t n = context_.page_cache->read_cached(device, extent.file->fd.get(),
                                                       chunk_->data() + at, length, offset);
    return n == static_cast<ssize_t>(length);
}

Sender::Load Sender::load_in_pool(const http::FileExtent& extent, std::uint64_t offset) {
    if (!read_) read_ = std::make_unique<disk::FileRead>(*context_.chunks, context_.closer, owner_);
    context_.chunks->give_back(std::exchange(chunk_, nullptr));
    read_->order = {.file = extent.file,
                    .offset = offset,
                    .length = static_cast<std::size_t>(std::min<std::uint64_t>(
                        limits::kChunkBytes, extent.length - segment_sent_)),
                    .may_be_cached = is_filling(*extent.file)};
    context_.pool->submit(*read_, extent.file->charged, disk::JobKind::read);
    reading_ = true;
    close_looks_ = kCloseLooks;
    chunk_path_ = SendPath::pool;
    context_.score->count(Metric::cold_reads);
    return Load::wait_disk;
}

Sender::Load Sender::finish_load(std::int64_t result, bool unchanged) {
    if (result < 0) return load_failed(CloseReason::read_error);
    // The extent lay within the file when it was planned, so where it ends now it became shorter.
    if (static_cast<std::size_t>(result) != wanted_ || !unchanged) {
        return load_failed(CloseReason::file_changed);
    }
    chunk_filled_ = wanted_;
    return Load::ready;
}

Sender::Load Sender::load_failed(CloseReason reason) {
    failure_ = reason;
    return Load::failed;
}

unsigned Sender::gather(iovec* vectors, unsigned capacity, bool& more_follows) const {
    unsigned count = 0;
    if (head_sent_ < head_.size()) {
        vectors[count++] = to_vector(head_.data() + head_sent_, head_.size() - head_sent_);
    }
    std::uint64_t skip = segment_sent_;
    std::size_t from_chunk = chunk_sent_; // loaded are the extents at the front, the last in part
    for (std::size_t i = segment_; i < body_.segments.size() && count < capacity; ++i, skip = 0) {
        if (const auto* memory = std::get_if<http::MemoryExtent>(&body_.segments[i])) {
            if (memory->length == skip) continue;
            if (from_chunk == chunk_filled_ && to_be_lent(*memory, skip)) {
                more_follows = true;
                break;
            }
            const std::string_view left = memory->view().substr(skip);
            vectors[count++] = to_vector(left.data(), left.size());
            continue;
        }
        const std::size_t part = std::min<std::uint64_t>(length_of(body_.segments[i]) - skip,
                                                         chunk_filled_ - from_chunk);
        if (part > 0) vectors[count++] = to_vector(chunk_->data() + from_chunk, part);
        from_chunk += part;
        if (part == length_of(body_.segments[i]) - skip) continue;
        more_follows = true;
        break;
    }
    return count;
}

void Sender::advance(std::size_t bytes, SendPath of_memory) {
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
        const bool of_file = std::holds_alternative<http::FileExtent>(segment);
        if (of_file) chunk_sent_ += part;
        count_sent(of_file ? chunk_path_ : of_memory, part);
        segment_sent_ += part;
        bytes -= part;
        if (segment_sent_ == length_of(segment)) {
            ++segment_;
            segment_sent_ = 0;
        }
    }
}

void Sender::count_sent(SendPath path, std::uint64_t bytes) {
    context_.score->count(Metric::sent_bytes, path, bytes);
}

std::uint64_t Sender::listing_bytes() const {
    std::uint64_t sum = 0;
    for (const http::Segment& segment : body_.segments) {
        const auto* memory = std::get_if<http::MemoryExtent>(&segment);
        if (memory && memory->of_listing) sum += memory->length;
    }
    return sum;
}

const http::FileExtent* Sender::extent_at_front() const {
    return segment_ < body_.segments.size()
               ? std::get_if<http::FileExtent>(&body_.segments[segment_])
               : nullptr;
}

} // namespace fsrv::net
