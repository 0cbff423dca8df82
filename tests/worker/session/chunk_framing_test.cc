#include "worker/session/chunk_framing.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace fsrv::session {
namespace {

// What goes on the wire when `pieces` are offered one after the other, and `step` bytes are taken
// at a time.
std::string framed(const std::vector<std::string>& pieces, std::size_t step) {
    ChunkFraming framing;
    std::string wire;
    std::size_t sent = 0; // of the piece
    for (std::size_t i = 0; i <= pieces.size() && !framing.is_complete();) {
        const std::string left = i < pieces.size() ? pieces[i].substr(sent) : "";
        const std::string before(framing.before(left.size()));
        const std::string chunk = left.substr(0, framing.of_chunk(left.size()));
        const std::string taken = (before + chunk).substr(0, step);
        wire += taken;
        const std::size_t of_before = std::min(taken.size(), before.size());
        framing.sent(of_before, taken.size() - of_before);
        sent += taken.size() - of_before;
        if (i < pieces.size() && sent == pieces[i].size()) {
            sent = 0;
            ++i;
        }
    }
    return wire;
}

TEST(ChunkFraming, IsTheSameHoweverLittleIsTakenAtATime) {
    const struct {
        std::vector<std::string> pieces;
        std::string wire;
    } rows[] = {
        {{}, "0\r\n\r\n"},
        {{"a"}, "1\r\na\r\n0\r\n\r\n"},
        {{"0123456789abcdef"}, "10\r\n0123456789abcdef\r\n0\r\n\r\n"},
        {{"one", "three"}, "3\r\none\r\n5\r\nthree\r\n0\r\n\r\n"},
        {{std::string(300, 'x'), "y"},
         "12c\r\n" + std::string(300, 'x') + "\r\n1\r\ny\r\n0\r\n\r\n"},
    };
    for (const auto& row : rows)
        for (const std::size_t step : {1U, 2U, 3U, 7U, 1000U})
            EXPECT_EQ(framed(row.pieces, step), row.wire) << step;
}

TEST(ChunkFraming, AChunkUnderWayTakesNoMoreThanItSaid) {
    ChunkFraming framing;
    EXPECT_EQ(framing.before(5), "5\r\n");
    framing.sent(3, 2);
    EXPECT_EQ(framing.before(100), "");
    EXPECT_EQ(framing.of_chunk(100), 3U);
    EXPECT_EQ(framing.of_chunk(1), 1U);
    framing.sent(0, 3);
    EXPECT_EQ(framing.before(7), "\r\n7\r\n");
    EXPECT_FALSE(framing.is_complete());
}

TEST(ChunkFraming, IsCompleteWithTheLastByteOfTheLastChunk) {
    ChunkFraming framing;
    EXPECT_EQ(framing.before(0), "0\r\n\r\n");
    EXPECT_FALSE(framing.is_complete());
    framing.sent(4, 0);
    EXPECT_EQ(framing.before(0), "\n");
    EXPECT_FALSE(framing.is_complete());
    framing.sent(1, 0);
    EXPECT_TRUE(framing.is_complete());
}

} // namespace
} // namespace fsrv::session
