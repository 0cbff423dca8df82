#include "worker/session/frame_count.h"

#include <algorithm>

namespace fsrv::session {
namespace {

constexpr std::size_t kHeadBytes = 9;
constexpr std::size_t kLengthBytes = 3; // of them, the first

} // namespace

std::size_t FrameCount::count(std::string_view bytes) {
    std::size_t heads = 0;
    while (true) {
        const std::size_t skipped = std::min(skip_, bytes.size());
        bytes.remove_prefix(skipped);
        skip_ -= skipped;
        if (bytes.empty()) return heads;
        if (head_ < kLengthBytes)
            length_ = length_ << 8U | static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        if (++head_ < kHeadBytes) continue;
        ++heads;
        skip_ = length_;
        head_ = length_ = 0;
    }
}

} // namespace fsrv::session
