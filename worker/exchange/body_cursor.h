// BodyCursor: a body and how far it was sent: which segment is at the front, and what of it is
// left. Thread: the loop's.
#pragma once

#include "worker/http/body.h"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace fsrv::exchange {

class BodyCursor final {
  public:
    explicit BodyCursor(http::Body body);
    BodyCursor(const BodyCursor&) = delete;
    BodyCursor& operator=(const BodyCursor&) = delete;

    // The segments from the front on; none at the end of the body.
    std::span<const http::Segment> left() const {
        return std::span(body_.segments).subspan(segment_);
    }
    bool is_over() const { return segment_ == body_.segments.size(); }
    // The front, if it is such a one.
    template <typename Kind>
    const Kind* front_as() const {
        return is_over() ? nullptr : std::get_if<Kind>(&body_.segments[segment_]);
    }
    std::uint64_t front_sent() const { return sent_; }
    std::uint64_t front_left() const { return length_of(left().front()) - sent_; }
    bool is_front_over() const { return front_left() == 0 && has_whole_length(left().front()); }

    std::uint64_t size() const { return body_.size(); } // of what is known at the beginning
    // Of a stream, what was made of it so far; of one that is left.
    std::uint64_t length_of(const http::Segment& segment) const;
    bool has_whole_length(const http::Segment& segment) const; // no more will be made of it

    void advance(std::uint64_t bytes) { sent_ += bytes; } // within the front
    // What was opened for the body is the caller's now, who may close it; else it stays, and what
    // is returned is empty.
    http::Segment leave_front();
    // The parts at the front have had some.
    void open_front(std::vector<http::Segment> had);
    // If the front is memory that parts have had, it and what was opened behind it is to be had
    // anew; the caller's is what there was.
    http::Body close_front();
    // The stream at the front has made so many more bytes, and `all`: they were the last.
    void made(std::uint64_t bytes, bool all);

    std::size_t streams_left() const { return streams_left_; } // that were not sent to their end
    std::uint64_t listing_bytes() const;                       // what they count as, taken ones too
    http::Body take() { return std::move(body_); }

  private:
    bool is_front(const http::Segment& segment) const {
        return &segment == body_.segments.data() + segment_;
    }

    http::Body body_;
    std::size_t segment_ = 0; // at the front
    std::uint64_t sent_ = 0;  // bytes of it
    std::size_t streams_left_ = 0;
    std::uint64_t made_ = 0; // bytes of the stream at the front
    bool made_all_ = false;  // of it
    std::size_t opened_ = 0; // segments from the front on that parts have had
    http::PartsExtent rest_; // behind those
};

} // namespace fsrv::exchange
