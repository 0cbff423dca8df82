// FrameCount: how many frames of HTTP/2 begin in what a client sends (RFC 9113 4.1), also those
// that the library passes over in silence: of unknown types, of streams that are no more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fsrv::session {

class FrameCount final {
  public:
    // `before`: bytes before the first frame.
    explicit FrameCount(std::size_t before) : skip_(before) {}

    // Of the bytes that came next, wherever they were split: heads of frames that are whole by now.
    std::size_t count(std::string_view bytes);

  private:
    std::size_t skip_;         // bytes, until a head begins
    std::size_t head_ = 0;     // bytes of it that came
    std::uint32_t length_ = 0; // of its payload, as far as it is told
};

} // namespace fsrv::session
