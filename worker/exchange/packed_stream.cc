#include "worker/exchange/packed_stream.h"

#include "common/limits.h"
#include "worker/disk/file_read.h"
#include "worker/disk/whole_read.h"

#include <algorithm>
#include <utility>

namespace fsrv::exchange {

PackedStream::~PackedStream() {
    rest();
    shares_->streams.give_back();
}

void PackedStream::rest() {
    if (std::exchange(has_thread_, false)) shares_->threads.give_back();
}

http::Producer::Made PackedStream::produce(std::span<char> room) {
    if (!std::exchange(has_thread_, true)) shares_->threads.take_anyway();
    if (!coder_) {
        coder_ = content::make_coder(coding_, content::Effort::each, body_.size());
        if (!coder_) return {.state = State::broken};
        buffer_.resize(limits::kChunkBytes);
    }
    std::uint64_t taken = 0;
    std::size_t made = 0;
    while (made < room.size()) {
        if (unread_.empty() && segment_ < body_.segments.size()) {
            if (made > 0 && taken >= limits::kMostCodedInARow) break;
            if (!read_on()) return {.state = trouble_};
        }
        const bool is_last = segment_ == body_.segments.size();
        const auto step = coder_->step(unread_, is_last, room.subspan(made));
        if (step.failed) return {.state = State::broken};
        unread_ = unread_.subspan(step.taken);
        taken += step.taken;
        made += step.made;
        if (step.is_over) return {.bytes = made, .state = State::end};
    }
    return {.bytes = made};
}

bool PackedStream::read_on() {
    while (auto* const parts = std::get_if<http::PartsExtent>(&body_.segments[segment_]))
        if (!open(http::PartsExtent(*parts))) return false;
    http::Segment& front = body_.segments[segment_];
    if (auto* const file = std::get_if<http::FileExtent>(&front)) return read_file(*file);
    const auto& memory = std::get<http::MemoryExtent>(front);
    memory_ = memory.bytes;
    unread_ = memory.view();
    ++segment_;
    return true;
}

bool PackedStream::open(const http::PartsExtent& parts) {
    using Had = http::Parts::Had;
    std::vector<http::Segment> had;
    switch (parts.parts->open(parts.offset, parts.length, false, had)) {
    case Had::some: break;
    case Had::none_yet: return true;
    case Had::changed: trouble_ = State::changed; return false;
    case Had::unreadable: trouble_ = State::unreadable; return false;
    default: trouble_ = State::broken; return false;
    }
    http::PartsExtent rest = parts;
    for (const http::Segment& segment : had) {
        rest.offset += http::length_of(segment);
        rest.length -= http::length_of(segment);
    }
    if (rest.length > 0) had.emplace_back(std::move(rest));
    const auto behind = body_.segments.begin() + static_cast<std::ptrdiff_t>(segment_) + 1;
    had.insert(had.end(), behind, body_.segments.end());
    body_.segments = std::move(had);
    segment_ = 0;
    return true;
}

bool PackedStream::read_file(http::FileExtent& extent) {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), extent.length));
    const std::int64_t got =
        disk::read_whole(extent.file->fd.get(), buffer_.data(), wanted, extent.offset);
    if (got < 0) {
        trouble_ = State::unreadable;
        return false;
    }
    if (static_cast<std::size_t>(got) != wanted || !disk::is_unchanged(*extent.file)) {
        trouble_ = State::changed;
        return false;
    }
    unread_ = {buffer_.data(), wanted};
    extent.offset += wanted;
    extent.length -= wanted;
    if (extent.length > 0) return true;
    extent.file.reset(); // here, where it may wait
    ++segment_;
    return true;
}

} // namespace fsrv::exchange
