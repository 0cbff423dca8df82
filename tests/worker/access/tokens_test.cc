#include "worker/access/tokens.h"

#include "common/crypto/base64.h"

#include <gtest/gtest.h>

namespace fsrv::access {
namespace {

std::string sha256_text(std::string_view token) {
    return crypto::encode_hex(crypto::sha256(token).view());
}

TEST(Tokens, AreKnownByTheirSha256) {
    std::string upper = sha256_text("two");
    for (char& c : upper) c = static_cast<char>(std::toupper(c));
    const Token table[] = {
        {.name = "ci", .sha256 = sha256_text("one"), .groups = {"staff"}},
        {.name = "backup", .sha256 = upper, .groups = {}},
        {.name = "odd", .sha256 = "no digest", .groups = {}},
    };
    const Tokens tokens(table);
    EXPECT_EQ(tokens.find("one"), &table[0]);
    EXPECT_EQ(tokens.find("two"), &table[1]);
    for (const char* other : {"", "three", "One", "one ", "no digest"})
        EXPECT_EQ(tokens.find(other), nullptr) << other;
    EXPECT_EQ(tokens.find(table[0].sha256), nullptr) << "the digest is no token";
    EXPECT_TRUE(Tokens({}).empty());
    EXPECT_EQ(Tokens({}).find(""), nullptr);
}

TEST(Tokens, ADigestIs64HexadecimalDigits) {
    EXPECT_TRUE(parse_sha256(sha256_text("")));
    for (const std::string& text : {std::string(), std::string(63, 'a'), std::string(65, 'a'),
                                    std::string(66, 'a'), std::string(64, 'g')})
        EXPECT_FALSE(parse_sha256(text)) << text;
}

} // namespace
} // namespace fsrv::access
