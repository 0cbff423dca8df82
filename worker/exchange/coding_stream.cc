#include "worker/exchange/coding_stream.h"

#include "common/limits.h"
#include "worker/disk/file_read.h"
#include "worker/disk/whole_read.h"

#include <algorithm>
#include <fcntl.h>
#include <utility>

namespace fsrv::exchange {

CodingStream::~CodingStream() {
    rest();
    shares_->streams.give_back();
}

void CodingStream::rest() {
    if (std::exchange(has_thread_, false)) shares_->threads.give_back();
}

http::Producer::Made CodingStream::produce(std::span<char> room) {
    if (!std::exchange(has_thread_, true)) shares_->threads.take_anyway();
    if (!coder_) {
        coder_ = content::make_coder(coding_, content::Effort::each, file_->size);
        if (!coder_) return {.state = State::broken};
        buffer_.resize(limits::kChunkBytes);
        ::posix_fadvise(file_->fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    const std::uint64_t begin = offset_;
    std::size_t made = 0;
    while (made < room.size()) {
        if (unread_.empty() && offset_ < file_->size) {
            if (made > 0 && offset_ - begin >= limits::kMostCodedInARow) break;
            if (!read_on()) return {.state = trouble_};
        }
        const auto step = coder_->step(unread_, offset_ == file_->size, room.subspan(made));
        if (step.failed) return {.state = State::broken};
        unread_ = unread_.subspan(step.taken);
        made += step.made;
        if (step.is_over) return {.bytes = made, .state = State::end};
    }
    return {.bytes = made};
}

bool CodingStream::read_on() {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), file_->size - offset_));
    const std::int64_t got = disk::read_whole(file_->fd.get(), buffer_.data(), wanted, offset_);
    if (got < 0) {
        trouble_ = State::unreadable;
        return false;
    }
    if (static_cast<std::size_t>(got) != wanted || !disk::is_unchanged(*file_)) {
        trouble_ = State::changed;
        return false;
    }
    offset_ += wanted;
    unread_ = {buffer_.data(), wanted};
    return true;
}

} // namespace fsrv::exchange
