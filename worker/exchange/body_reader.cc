#include "worker/exchange/body_reader.h"

#include "common/check.h"
#include "worker/disk/whole_read.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace fsrv::exchange {
namespace {

iovec to_vector(const char* data, std::size_t length) {
    return {.iov_base = const_cast<char*>(data), .iov_len = length};
}

bool is_to_be_lent(const http::MemoryExtent& extent, std::uint64_t sent, const Ways& ways) {
    return ways.pages && extent.lendable && extent.length - sent > limits::kCheapToCopy;
}

} // namespace

unsigned Piece::weight() const {
    switch (kind) {
    case Kind::bytes: return limits::kCopyWeight;
    case Kind::window: return limits::kMappedWeight;
    default: return 1;
    }
}

BodyReader::BodyReader(const BodyServices& services, disk::FileReader& reader, http::Body body)
    : services_(services),
      reader_(reader),
      guards_each_(body.may_have_several_files()),
      cursor_(std::move(body)),
      size_(cursor_.size()),
      has_streams_(cursor_.streams_left() > 0),
      lent_(services.lent_places, services.closer) {}

BodyReader::~BodyReader() {
    if (reading_) abandon_job();
    read_.reset();
    production_.reset();
    opening_.reset();
    services_.chunks.give_back(chunk_);
    if (services_.closer) services_.closer->let_go(cursor_.take());
}

Piece BodyReader::next(const Ways& ways, std::uint64_t room, std::span<iovec> vectors) {
    FSRV_CHECK(!reading_, "asked for more while a read is under way");
    tail_ = ways.tail;
    Load ready = open_front();
    if (ready == Load::ready && chunk_sent_ == chunk_filled_ && !cursor_.is_over()) {
        if (const auto piece = in_place(ways, room, vectors)) return *piece;
        ready = load_front(ways.read_bytes);
    }
    if (ready == Load::wait_disk) return {.kind = Piece::Kind::wait};
    if (ready == Load::none_yet) return {.kind = Piece::Kind::none_yet};
    if (ready == Load::failed) return {.kind = Piece::Kind::failed};
    const Piece piece = gather(ways, vectors);
    if (!piece.more_follows && !lent_.are_all_unchanged()) {
        failure_ = CloseReason::file_changed;
        return {.kind = Piece::Kind::failed};
    }
    if (piece.kind == Piece::Kind::end) release_buffer();
    return piece;
}

BodyReader::Load BodyReader::open_front() {
    const http::FileExtent* const read = extent_at_front();
    if (!lent_.are_unchanged(sent_, read ? read->file.get() : nullptr))
        return load_failed(CloseReason::file_changed);
    for (skip_finished(); chunk_sent_ == chunk_filled_; skip_finished()) {
        const http::PartsExtent* const extent = parts_at_front();
        if (!extent) break;
        if (failed_read_) return Load::failed;
        if (services_.io == IoMode::threads) return open_in_pool(*extent);
        std::vector<http::Segment> segments;
        const bool waits = services_.io == IoMode::inline_;
        const auto had = extent->parts->open(extent->offset, extent->length, !waits, segments);
        const bool is_there = had == http::Parts::Had::some;
        // What went wrong may only be what could not be waited for.
        if (!waits && !is_there) return open_in_pool(*extent);
        if (const Load taken = take_opened(had, std::move(segments)); taken != Load::ready)
            return taken;
    }
    return Load::ready;
}

BodyReader::Load BodyReader::open_in_pool(const http::PartsExtent& extent) {
    opening_ = std::make_unique<disk::Opening>(services_.closer, reader_, extent);
    services_.pool.submit(*opening_, opening_->device(), disk::JobKind::read);
    reading_ = true;
    return Load::wait_disk;
}

BodyReader::Load BodyReader::take_opened(http::Parts::Had had,
                                         std::vector<http::Segment> segments) {
    using Had = http::Parts::Had;
    switch (had) {
    case Had::some: cursor_.open_front(std::move(segments)); return Load::ready;
    case Had::none_yet:
    case Had::needs_thread: return Load::ready;
    case Had::changed: return load_failed(CloseReason::file_changed);
    case Had::unreadable: return load_failed(CloseReason::read_error);
    case Had::broken: break;
    }
    return load_failed(CloseReason::internal);
}

void BodyReader::skip_finished() {
    while (!cursor_.is_over() && cursor_.is_front_over()) leave_front();
}

void BodyReader::leave_front() {
    if (stream_at_front()) production_.reset();
    http::Segment left = cursor_.leave_front();
    if (auto* const extent = std::get_if<http::FileExtent>(&left); extent && services_.closer)
        services_.closer->let_go(std::move(extent->file));
    cached_until_ = 0;
}

std::optional<Piece> BodyReader::in_place(const Ways& ways, std::uint64_t room,
                                          std::span<iovec> vectors) {
    if (const http::FileExtent* const extent = extent_at_front())
        return cached_piece(*extent, ways, room, vectors);
    const auto* memory = cursor_.front_as<http::MemoryExtent>();
    if (!memory || !is_to_be_lent(*memory, cursor_.front_sent(), ways)) return std::nullopt;
    const std::string_view left = memory->view().substr(cursor_.front_sent());
    const std::string_view part = left.substr(0, limits::kChunkBytes);
    return Piece{.kind = Piece::Kind::pages,
                 .length = part.size(),
                 .pages = part,
                 .more_follows = part.size() < left.size() || cursor_.left().size() > 1};
}

std::optional<Piece> BodyReader::cached_piece(const http::FileExtent& extent, const Ways& ways,
                                              std::uint64_t room, std::span<iovec> vectors) {
    const http::OpenFile& file = *extent.file;
    const std::uint64_t left = extent.length - cursor_.front_sent();
    if (services_.io != IoMode::automatic || !file.local || left <= limits::kCheapToCopy ||
        std::exchange(to_be_read_, false))
        return std::nullopt;
    disk::PageCache::Device& device = services_.page_cache.device(file.device);
    const std::uint64_t body_left = size_ - sent_;
    const std::uint64_t tail = file.writes == InPlaceWrites::on ? ways.tail : 0;
    const bool lends = ways.file && body_left > tail && device.sendfile.is_there();
    const std::uint64_t kept_back = lends ? tail : limits::kCheapToCopy;
    const bool maps =
        ways.window && extent.length > limits::kCheapToCopyTwice && device.mapping.is_there();
    if (body_left <= kept_back || !(lends || maps)) return std::nullopt;
    if (!disk::is_unchanged(file)) {
        failure_ = CloseReason::file_changed;
        return Piece{.kind = Piece::Kind::failed};
    }
    if (is_filling(file)) return std::nullopt;
    if (guards_each_ && file.writes == InPlaceWrites::on && !lent_.make_room(extent.file))
        return std::nullopt;
    const std::uint64_t most = lends ? room : room / limits::kMappedWeight;
    const std::uint64_t length = std::min({left, std::max(most, limits::kCheapToCopy),
                                           body_left - kept_back, find_cached(extent, device)});
    if (length == 0) return std::nullopt;
    if (!lends) return window_piece(extent, length, vectors);
    return Piece{.kind = Piece::Kind::file,
                 .fd = file.fd.get(),
                 .offset = extent.offset + cursor_.front_sent(),
                 .length = length,
                 .more_follows = true};
}

std::optional<Piece> BodyReader::window_piece(const http::FileExtent& extent, std::uint64_t length,
                                              std::span<iovec> vectors) {
    const auto size = static_cast<std::size_t>(length);
    window_.emplace(extent.file->fd.get(), extent.offset + cursor_.front_sent(), size);
    if (!*window_) {
        services_.page_cache.device(extent.file->device).mapping.failed(errno);
        window_.reset();
        return std::nullopt;
    }
    vectors[0] = to_vector(window_->data(), size);
    // The end of the body is kept back.
    return Piece{.kind = Piece::Kind::window, .vectors = 1, .length = length, .more_follows = true};
}

// Bytes from the front on that are cached.
std::uint64_t BodyReader::find_cached(const http::FileExtent& extent,
                                      disk::PageCache::Device& device) {
    const std::uint64_t offset = extent.offset + cursor_.front_sent();
    if (cached_until_ > offset) return cached_until_ - offset;
    const auto probed =
        std::min<std::uint64_t>(limits::kTurnBytes, extent.length - cursor_.front_sent());
    const std::uint64_t found = services_.page_cache.cached(
        device, extent.file->fd.get(), offset, probed,
        close_looks_ > 0 ? disk::PageCache::Look::close : disk::PageCache::Look::quick);
    if (!device.cachestat.is_there()) return 0; // that is no miss
    if (found < probed)
        extent.file->missed_ms = services_.iteration.now_ms();
    else if (close_looks_ > 0)
        --close_looks_;
    cached_until_ = offset + found;
    return found;
}

Piece BodyReader::gather(const Ways& ways, std::span<iovec> vectors) const {
    unsigned count = 0;
    bool more_follows = false;
    std::uint64_t skip = cursor_.front_sent();
    std::size_t from_chunk = chunk_sent_; // loaded are the extents at the front, the last in part
    for (const http::Segment& segment : cursor_.left()) {
        if (count == vectors.size()) {
            more_follows = true;
            break;
        }
        const std::uint64_t sent = std::exchange(skip, 0);
        if (const auto* memory = std::get_if<http::MemoryExtent>(&segment)) {
            if (memory->length == sent) continue;
            if (from_chunk == chunk_filled_ && is_to_be_lent(*memory, sent, ways)) {
                more_follows = true;
                break;
            }
            const std::string_view left = memory->view().substr(sent);
            vectors[count++] = to_vector(left.data(), left.size());
            continue;
        }
        const std::uint64_t length = cursor_.length_of(segment) - sent;
        const std::size_t part = std::min<std::uint64_t>(length, chunk_filled_ - from_chunk);
        if (part > 0) vectors[count++] = to_vector(chunk_->data() + from_chunk, part);
        from_chunk += part;
        if (part == length && cursor_.has_whole_length(segment)) continue;
        const auto* stream = std::get_if<http::Stream>(&segment);
        more_follows = !stream || !stream->producer->growing(); // of that maybe not for a while
        break;
    }
    if (count == 0 && !more_follows) return {.kind = Piece::Kind::end};
    return {.kind = Piece::Kind::bytes, .vectors = count, .more_follows = more_follows};
}

void BodyReader::advance(const Piece& piece, std::uint64_t bytes) {
    switch (piece.kind) {
    case Piece::Kind::file:
    case Piece::Kind::window:
        window_.reset();
        cursor_.advance(bytes);
        sent_ += bytes;
        lent_.lent(*extent_at_front()->file,
                   piece.kind == Piece::Kind::file ? sent_ + tail_ : sent_);
        services_.score.count(
            Metric::sent_bytes,
            piece.kind == Piece::Kind::file ? SendPath::zero_copy : SendPath::copied, bytes);
        break;
    case Piece::Kind::pages: pass(bytes, SendPath::zero_copy); break;
    default: pass(bytes, SendPath::memory); break;
    }
}

void BodyReader::pass(std::uint64_t bytes, SendPath of_memory) {
    sent_ += bytes;
    while (bytes > 0) {
        const std::uint64_t part = std::min(bytes, cursor_.front_left());
        const bool of_chunk = cursor_.front_as<http::MemoryExtent>() == nullptr;
        if (of_chunk) chunk_sent_ += static_cast<std::size_t>(part);
        services_.score.count(Metric::sent_bytes, of_chunk ? chunk_path_ : of_memory, part);
        cursor_.advance(part);
        bytes -= part;
        if (cursor_.is_front_over()) leave_front();
    }
}

BodyReader::Refused BodyReader::refused_by_client(int error) {
    if (error == EINTR) return Refused::again;
    if (error == EAGAIN || error == ENOBUFS || error == ENOMEM) return Refused::wait;
    failure_ = CloseReason::client_aborted;
    return Refused::failed;
}

BodyReader::Refused BodyReader::refused(const Piece& piece, int error) {
    window_.reset();
    if (error == EAGAIN) cached_until_ = 0; // who knows how long it takes: ask anew
    if (piece.kind == Piece::Kind::window && error == EFAULT) {
        to_be_read_ = true; // it is shorter now, or unreadable: a read finds out
        return Refused::again;
    }
    if (piece.kind != Piece::Kind::file) return refused_by_client(error);
    switch (error) {
    case 0: failure_ = CloseReason::file_changed; return Refused::failed;
    case EINTR: return Refused::again;
    case EAGAIN: return Refused::wait;
    case EINVAL:
    case ENOSYS:
    case EPERM:
    case EOPNOTSUPP:
        services_.page_cache.device(extent_at_front()->file->device).sendfile.failed(error);
        return Refused::again;
    case EPIPE:
    case ECONNRESET: failure_ = CloseReason::client_aborted; return Refused::failed;
    default: failure_ = CloseReason::read_error; return Refused::failed;
    }
}

// The disk may still be filling what is counted as cached, and sendfile would wait for it. Nor is
// the loop to touch what comes fresh from there: that takes milliseconds for a megabyte, which a
// thread of the pool can give way in.
bool BodyReader::is_filling(const http::OpenFile& file) const {
    return file.missed_ms != 0 &&
           services_.iteration.now_ms() - file.missed_ms < limits::kFillingMs;
}

void BodyReader::settle_read() {
    reading_ = false;
    if (stream_at_front()) return settle_production();
    if (parts_at_front()) {
        const std::unique_ptr<disk::Opening> opened = std::move(opening_);
        failed_read_ = take_opened(opened->had, std::move(opened->segments)) == Load::failed;
        return;
    }
    const disk::FileRead::Order& order = read_->order;
    if (order.may_be_cached) {
        const http::OpenFile& file = *order.file;
        file.found_in_a_row = read_->was_cached ? file.found_in_a_row + 1 : 0;
        if (!read_->was_cached)
            file.missed_ms = services_.iteration.now_ms();
        else if (file.found_in_a_row >= limits::kFoundInARow)
            file.missed_ms = 0;
    }
    chunk_ = std::exchange(read_->chunk, nullptr);
    wanted_ = read_->wanted;
    // A failure shows when next() loads again.
    failed_read_ = finish_load(read_->result, read_->unchanged) == Load::failed;
}

void BodyReader::give_up_read(CloseReason reason) {
    FSRV_CHECK(reading_, "given up is what is under way");
    reading_ = false;
    abandon_job();
    failed_read_ = true;
    failure_ = reason;
}

void BodyReader::abandon_job() {
    if (stream_at_front())
        services_.pool.abandon(*production_.release());
    else if (parts_at_front())
        services_.pool.abandon(*opening_.release());
    else
        services_.pool.abandon(*read_.release());
}

dev_t BodyReader::read_device() const {
    if (parts_at_front()) return opening_->device();
    return stream_at_front() ? production_->device() : read_->order.file->charged;
}

void BodyReader::release_buffer() {
    FSRV_CHECK(!reading_, "buffer released under a read");
    if (const http::Stream* const stream = stream_at_front()) {
        stream->producer->rest();
        if (chunk_sent_ < chunk_filled_) return;
    }
    http::Body closed = cursor_.close_front();
    if (services_.closer) services_.closer->let_go(std::move(closed));
    read_.reset();
    window_.reset();
    services_.chunks.give_back(std::exchange(chunk_, nullptr));
    chunk_filled_ = 0;
    chunk_sent_ = 0;
    cached_until_ = 0;
}

BodyReader::Load BodyReader::load_front(std::size_t most) {
    if (failed_read_) return Load::failed;
    if (awaits_growth_) return Load::none_yet;
    if (const http::Stream* const stream = stream_at_front()) return produce(*stream);
    return extent_at_front() ? load(most) : Load::ready;
}

BodyReader::Load BodyReader::load(std::size_t most) {
    const http::FileExtent& extent = *extent_at_front();
    const std::uint64_t offset = extent.offset + cursor_.front_sent();
    chunk_filled_ = 0;
    chunk_sent_ = 0;
    const bool may_ask =
        services_.io == IoMode::inline_ ||
        (services_.io == IoMode::automatic && extent.file->local && !is_filling(*extent.file));
    if (!may_ask) return load_in_pool(extent, offset);
    if (!chunk_) chunk_ = services_.chunks.take();
    if (!chunk_) return load_failed(CloseReason::internal);
    wanted_ = static_cast<std::size_t>(
        std::min<std::uint64_t>({chunk_->capacity, most, extent.length - cursor_.front_sent()}));
    chunk_path_ = SendPath::copied;
    return load_on_loop(extent, offset);
}

BodyReader::Load BodyReader::load_on_loop(const http::FileExtent& extent, std::uint64_t offset) {
    if (services_.io == IoMode::inline_) {
        const std::int64_t result =
            disk::read_whole(extent.file->fd.get(), chunk_->data(), wanted_, offset);
        return finish_load(result, disk::is_unchanged(*extent.file));
    }
    // Anything short of all of it, an error too, is for the pool to find out: it may wait.
    if (!load_cached(extent, offset, 0, wanted_)) {
        extent.file->missed_ms = services_.iteration.now_ms();
        return load_in_pool(extent, offset);
    }
    // The parts of a multipart answer are small: as many as fit leave together.
    for (const http::Segment& segment : cursor_.left().subspan(1)) {
        if (!std::holds_alternative<http::FileExtent>(segment) &&
            !std::holds_alternative<http::MemoryExtent>(segment))
            break;
        const auto* next = std::get_if<http::FileExtent>(&segment);
        if (!next) continue;
        if (next->file != extent.file || next->length > chunk_->capacity - wanted_ ||
            !load_cached(*next, next->offset, wanted_, next->length))
            break;
        wanted_ += next->length;
    }
    return finish_load(static_cast<std::int64_t>(wanted_), disk::is_unchanged(*extent.file));
}

bool BodyReader::load_cached(const http::FileExtent& extent, std::uint64_t offset, std::size_t at,
                             std::size_t length) {
    disk::PageCache::Device& device = services_.page_cache.device(extent.file->device);
    const ssize_t n = services_.page_cache.read_cached(device, extent.file->fd.get(),
                                                       chunk_->data() + at, length, offset);
    return n == static_cast<ssize_t>(length);
}

BodyReader::Load BodyReader::load_in_pool(const http::FileExtent& extent, std::uint64_t offset) {
    if (!read_)
        read_ = std::make_unique<disk::FileRead>(services_.chunks, services_.closer, reader_);
    services_.chunks.give_back(std::exchange(chunk_, nullptr));
    read_->order = {.file = extent.file,
                    .offset = offset,
                    .length = static_cast<std::size_t>(std::min<std::uint64_t>(
                        limits::kChunkBytes, extent.length - cursor_.front_sent())),
                    .may_be_cached = is_filling(*extent.file)};
    services_.pool.submit(*read_, extent.file->charged, disk::JobKind::read);
    reading_ = true;
    close_looks_ = kCloseLooks;
    chunk_path_ = SendPath::pool;
    services_.score.count(Metric::cold_reads);
    return Load::wait_disk;
}

BodyReader::Load BodyReader::produce(const http::Stream& stream) {
    if (!production_)
        production_ =
            std::make_unique<disk::Production>(services_.chunks, services_.closer, reader_, stream);
    services_.chunks.give_back(std::exchange(chunk_, nullptr));
    chunk_filled_ = 0;
    chunk_sent_ = 0;
    production_->aim();
    services_.pool.submit(*production_, production_->device(), disk::JobKind::read);
    reading_ = true;
    chunk_path_ = SendPath::pool;
    return Load::wait_disk;
}

void BodyReader::settle_production() {
    const http::Producer::Made made = production_->made;
    chunk_ = std::exchange(production_->chunk, nullptr);
    chunk_filled_ = made.bytes;
    cursor_.made(made.bytes, made.state == http::Producer::State::end);
    size_ += made.bytes;
    switch (made.state) {
    case http::Producer::State::more:
    case http::Producer::State::end: return;
    case http::Producer::State::none_yet:
        awaits_growth_ = true;
        services_.chunks.give_back(std::exchange(chunk_, nullptr));
        return;
    case http::Producer::State::changed: failure_ = CloseReason::file_changed; break;
    case http::Producer::State::unreadable: failure_ = CloseReason::read_error; break;
    case http::Producer::State::broken: failure_ = CloseReason::internal; break;
    }
    failed_read_ = true;
}

BodyReader::Load BodyReader::finish_load(std::int64_t result, bool unchanged) {
    if (result < 0) return load_failed(CloseReason::read_error);
    // The extent lay within the file when it was planned, so where it ends now it became shorter.
    if (static_cast<std::size_t>(result) != wanted_ || !unchanged) {
        return load_failed(CloseReason::file_changed);
    }
    chunk_filled_ = wanted_;
    return Load::ready;
}

BodyReader::Load BodyReader::load_failed(CloseReason reason) {
    failure_ = reason;
    return Load::failed;
}

} // namespace fsrv::exchange
