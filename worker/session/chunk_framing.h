// The chunked transfer coding (RFC 9112 7.1) of a body whose length nobody knows: what goes before
// the bytes of each chunk, and after the last one. No extensions, no trailers. Thread: the loop's.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace fsrv::session {

class ChunkFraming final {
  public:
    // `offered` bytes of the body can go next; 0: there are no more. What has to go before those of
    // them that are of the chunk under way, until sent() has been told of all of it.
    std::string_view before(std::size_t offered);
    // Of those bytes, how many are the chunk's.
    std::size_t of_chunk(std::size_t offered) const { return offered < left_ ? offered : left_; }
    // Of before(), and then of the chunk.
    void sent(std::size_t framing, std::size_t bytes);
    bool is_complete() const { return ended_ && text_end_ == text_begin_; }

  private:
    static constexpr std::size_t kLongest = 2 + 2 * sizeof(std::size_t) + 2; // CRLF, size, CRLF

    std::array<char, kLongest> text_{};
    std::size_t text_begin_ = 0; // of what was not sent
    std::size_t text_end_ = 0;
    std::size_t left_ = 0; // bytes of the chunk under way
    bool begun_ = false;   // a chunk came before: its end has to follow it
    bool ended_ = false;
};

} // namespace fsrv::session
