#include "worker/exchange/body_cursor.h"

#include <cstddef>
#include <iterator>

namespace fsrv::exchange {

BodyCursor::BodyCursor(http::Body body) : body_(std::move(body)) {
    for (const http::Segment& segment : body_.segments)
        if (std::holds_alternative<http::Stream>(segment)) ++streams_left_;
}

std::uint64_t BodyCursor::length_of(const http::Segment& segment) const {
    if (!std::holds_alternative<http::Stream>(segment)) return http::length_of(segment);
    return is_front(segment) ? made_ : 0;
}

bool BodyCursor::has_whole_length(const http::Segment& segment) const {
    return !std::holds_alternative<http::Stream>(segment) || (is_front(segment) && made_all_);
}

http::Segment BodyCursor::leave_front() {
    if (front_as<http::Stream>()) {
        --streams_left_;
        made_ = 0;
        made_all_ = false;
    }
    sent_ = 0;
    http::Segment& left = body_.segments[segment_++];
    if (opened_ == 0) return {};
    --opened_;
    return std::exchange(left, http::MemoryExtent{});
}

void BodyCursor::open_front(std::vector<http::Segment> had) {
    rest_ = std::get<http::PartsExtent>(std::move(body_.segments[segment_]));
    opened_ = had.size();
    for (const http::Segment& segment : had) {
        rest_.offset += http::length_of(segment);
        rest_.length -= http::length_of(segment);
    }
    if (rest_.length > 0) had.emplace_back(rest_);
    std::vector<http::Segment>& all = body_.segments;
    const auto behind = all.begin() + static_cast<std::ptrdiff_t>(segment_) + 1;
    had.insert(had.end(), std::make_move_iterator(behind), std::make_move_iterator(all.end()));
    all = std::move(had);
    segment_ = 0;
}

http::Body BodyCursor::close_front() {
    if (opened_ == 0 || !front_as<http::MemoryExtent>()) return {};
    http::Body closed;
    http::PartsExtent again = rest_;
    std::uint64_t unsent = 0;
    std::vector<http::Segment>& all = body_.segments;
    for (std::size_t i = 0; i < opened_; ++i) {
        unsent += http::length_of(all[segment_ + i]);
        closed.segments.push_back(std::move(all[segment_ + i]));
    }
    unsent -= std::exchange(sent_, 0);
    again.offset -= unsent;
    again.length += unsent;
    const std::size_t replaced = opened_ + (rest_.length > 0 ? 1 : 0);
    opened_ = 0;
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(segment_);
    all.erase(first, first + static_cast<std::ptrdiff_t>(replaced));
    if (again.length > 0)
        all.insert(all.begin() + static_cast<std::ptrdiff_t>(segment_), std::move(again));
    return closed;
}

void BodyCursor::made(std::uint64_t bytes, bool all) {
    made_ += bytes;
    made_all_ = all;
}

std::uint64_t BodyCursor::listing_bytes() const {
    std::uint64_t sum = 0;
    for (const http::Segment& segment : body_.segments) {
        const auto* memory = std::get_if<http::MemoryExtent>(&segment);
        if (memory && memory->of_listing) sum += memory->length;
        if (const auto* stream = std::get_if<http::Stream>(&segment))
            sum += stream->producer->listing_bytes();
    }
    return sum;
}

} // namespace fsrv::exchange
