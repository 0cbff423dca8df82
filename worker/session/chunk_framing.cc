#include "worker/session/chunk_framing.h"

#include <fmt/compile.h>
#include <fmt/format.h>

namespace fsrv::session {

std::string_view ChunkFraming::before(std::size_t offered) {
    if (text_begin_ == text_end_ && left_ == 0 && !ended_) {
        const auto format = FMT_COMPILE("{}{:x}\r\n{}");
        const char* const end = fmt::format_to(text_.data(), format, begun_ ? "\r\n" : "", offered,
                                               offered == 0 ? "\r\n" : "");
        text_begin_ = 0;
        text_end_ = static_cast<std::size_t>(end - text_.data());
        left_ = offered;
        begun_ = true;
        ended_ = offered == 0;
    }
    return {text_.data() + text_begin_, text_end_ - text_begin_};
}

void ChunkFraming::sent(std::size_t framing, std::size_t bytes) {
    text_begin_ += framing;
    left_ -= bytes;
}

} // namespace fsrv::session
