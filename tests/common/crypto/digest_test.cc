#include "common/crypto/digest.h"

#include "common/crypto/base64.h"

#include <gtest/gtest.h>

namespace fsrv::crypto {
namespace {

TEST(Digest, Sha256IsThatOfFips180) {
    EXPECT_EQ(encode_hex(sha256("").view()),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(encode_hex(sha256("abc").view()),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, OfPiecesIsThatOfTheWhole) {
    Sha256 hash;
    for (int time = 0; time < 2; ++time) {
        for (const char* piece : {"a", "", "bc"}) hash.add(piece);
        EXPECT_EQ(hash.finish(), sha256("abc")) << "and it begins anew";
    }
    EXPECT_EQ(hash.finish(), sha256(""));
}

TEST(Digest, HmacIsThatOfRfc4231) {
    EXPECT_EQ(encode_hex(hmac_sha256("Jefe", "what do ya want for nothing?").view()),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(encode_hex(hmac_sha256(std::string(131, '\xaa'),
                                     "Test Using Larger Than Block-Size Key - Hash Key First")
                             .view()),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Digest, EqualIsWhatHasTheSameBytesAndLength) {
    EXPECT_TRUE(equal_in_constant_time("", ""));
    EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
    EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
    EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
}

TEST(Digest, RandomBytesAreNotTheSameTwice) {
    EXPECT_EQ(random_bytes(32).size(), 32U);
    EXPECT_NE(random_bytes(32), random_bytes(32));
}

} // namespace
} // namespace fsrv::crypto
