// A producer for tests: a pattern (files.h), in pieces of any length, and an end of any kind.
#pragma once

#include "tests/support/files.h"
#include "worker/http/body.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

namespace fsrv::test {

class PatternProducer final : public http::Producer {
  public:
    PatternProducer(std::uint64_t size, State end, std::size_t piece = SIZE_MAX)
        : size_(size), end_(end), piece_(piece) {}

    Made produce(std::span<char> room) override {
        ++calls;
        if (made_ == size_) return {.state = end_};
        const auto bytes = std::min({room.size(), piece_, static_cast<std::size_t>(size_ - made_)});
        pattern(made_, bytes).copy(room.data(), bytes);
        made_ += bytes;
        return {.bytes = bytes};
    }
    void rest() override { ++rests; }

    unsigned calls = 0;
    unsigned rests = 0;

  private:
    std::uint64_t size_;
    State end_;
    std::size_t piece_;
    std::uint64_t made_ = 0;
};

inline http::Body body_of(std::shared_ptr<http::Producer> producer) {
    http::Body body;
    body.segments.emplace_back(http::Stream{.producer = std::move(producer), .file = {}});
    return body;
}

} // namespace fsrv::test
