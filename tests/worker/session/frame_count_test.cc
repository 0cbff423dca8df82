#include "worker/session/frame_count.h"

#include "tests/support/http2_frames.h"

#include <gtest/gtest.h>

namespace fsrv::session {
namespace {

using test::h2::frame;

struct Case {
    const char* name;
    std::string bytes;
    std::size_t frames;
};

const Case kCases[] = {
    {"nothing", "", 0},
    {"a preface", std::string(test::h2::kPreface), 0},
    {"an empty frame", std::string(test::h2::kPreface) + frame(4, 0, 0), 1},
    {"most of a head", std::string(test::h2::kPreface) + frame(4, 0, 0).substr(0, 8), 0},
    {"heads inside a payload",
     std::string(test::h2::kPreface) + frame(0, 0, 1, frame(6, 0, 0, frame(6, 0, 0))), 1},
    {"all sizes of a length",
     std::string(test::h2::kPreface) + frame(0, 0, 1, std::string(255, 'x')) +
         frame(0, 0, 1, std::string(256, 'x')) + frame(0, 0, 1, std::string(65'536, 'x')) +
         frame(6, 0, 0, "12345678"),
     4},
    {"types that nobody knows",
     std::string(test::h2::kPreface) + frame(0xff, 0xff, 0xffffffff) + frame(0x42, 0, 0, "x"), 2},
};

TEST(FrameCount, IsOfHeadsThatAreWholeWhereverTheBytesAreSplit) {
    for (const Case& row : kCases) {
        SCOPED_TRACE(row.name);
        for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7},
                                        std::size_t{9}, std::size_t{1'000'000}}) {
            FrameCount frames(test::h2::kPreface.size());
            std::size_t count = 0;
            for (std::size_t at = 0; at < row.bytes.size(); at += piece)
                count += frames.count(std::string_view(row.bytes).substr(at, piece));
            EXPECT_EQ(count, row.frames) << piece;
        }
    }
}

} // namespace
} // namespace fsrv::session
