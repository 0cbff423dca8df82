#include "common/crypto/base64.h"

#include <gtest/gtest.h>

namespace fsrv::crypto {
namespace {

TEST(Base64, EncodesAndDecodesTheVectorsOfRfc4648) {
    struct Case {
        const char* bytes;
        const char* standard;
        const char* url;
    };
    const Case table[] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/", "-_-_"},
    };
    for (const Case& c : table) {
        EXPECT_EQ(encode_base64(c.bytes, Base64::standard), c.standard);
        EXPECT_EQ(encode_base64(c.bytes, Base64::url), c.url);
        EXPECT_EQ(decode_base64(c.standard, Base64::standard), c.bytes);
        EXPECT_EQ(decode_base64(c.url, Base64::url), c.bytes);
    }
}

TEST(Base64, WhatHasAnotherSpellingIsRefused) {
    for (const char* text : {"Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n", "=",
                             "====", "Zm=v", "-_-_", "Zg==Zg==", "Z", "\xff\xff\xff\xff"})
        EXPECT_EQ(decode_base64(text, Base64::standard), std::nullopt) << text;
    for (const char* text : {"Zg==", "Zh", "Zm9", "+/+/", "Z", "Zm9vY", "Zm9v "})
        EXPECT_EQ(decode_base64(text, Base64::url), std::nullopt) << text;
}

TEST(Hex, EncodesInLowerCaseAndDecodesBoth) {
    EXPECT_EQ(encode_hex("\x01\xab\xff"), "01abff");
    EXPECT_EQ(decode_hex("01aBfF"), "\x01\xab\xff");
    EXPECT_EQ(decode_hex(""), "");
    for (const char* text : {"0", "0g", " 0", "0x", "012"})
        EXPECT_EQ(decode_hex(text), std::nullopt) << text;
}

} // namespace
} // namespace fsrv::crypto
