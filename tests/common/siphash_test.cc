#include "common/siphash.h"

#include <gtest/gtest.h>
#include <string>

namespace fsrv {
namespace {

// Of the paper and of the reference implementation's table: SipHash-2-4 of the bytes 0, 1, 2 …
// under the key 0 … 15.
TEST(SipHash, IsTheOneThatIsPublished) {
    const SipSecret secret{.low = 0x0706050403020100, .high = 0x0f0e0d0c0b0a0908};
    std::string bytes;
    for (char c = 0; c < 15; ++c) bytes.push_back(c);
    EXPECT_EQ((siphash<2, 4>(secret, "")), 0x726fdb47dd0e0e31U);
    EXPECT_EQ((siphash<2, 4>(secret, bytes.substr(0, 1))), 0x74f839c593dc67fdU);
    EXPECT_EQ((siphash<2, 4>(secret, bytes)), 0xa129ca6149be45e5U);
}

TEST(SipHash, NobodyCanTellWithoutTheSecret) {
    EXPECT_NE(siphash({.low = 1}, "/a.bin"), siphash({.low = 2}, "/a.bin"));
    EXPECT_NE(siphash({.high = 1}, "/a.bin"), siphash({.high = 2}, "/a.bin"));
    EXPECT_EQ(siphash({.low = 1}, "/a.bin"), siphash({.low = 1}, "/a.bin"));
}

} // namespace
} // namespace fsrv
