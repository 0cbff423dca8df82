#include "worker/exchange/body_cursor.h"

namespace fsrv::exchange {

BodyCursor::BodyCursor(http::Body body) : body_(std::move(body)) {
    for (const http::Segment& segment : body_.segments)
        if (std::holds_alternative<http::Stream>(segment)) ++streams_left_;
}

std::uint64_t BodyCursor::length_of(const http::Segment& segment) const {
    if (const auto* memory = std::get_if<http::MemoryExtent>(&segment)) return memory->length;
    if (const auto* file = std::get_if<http::FileExtent>(&segment)) return file->length;
    return is_front(segment) ? made_ : 0;
}

bool BodyCursor::has_whole_length(const http::Segment& segment) const {
    return !std::holds_alternative<http::Stream>(segment) || (is_front(segment) && made_all_);
}

void BodyCursor::leave_front() {
    if (front_as<http::Stream>()) {
        --streams_left_;
        made_ = 0;
        made_all_ = false;
    }
    ++segment_;
    sent_ = 0;
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
    }
    return sum;
}

} // namespace fsrv::exchange
