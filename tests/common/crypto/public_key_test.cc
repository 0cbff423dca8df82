#include "common/crypto/public_key.h"

#include "common/crypto/base64.h"

#include <gtest/gtest.h>

namespace fsrv::crypto {
namespace {

struct Signed {
    const char* of;
    KeyKind kind;
    const char* key;
    const char* message;
    const char* signature;
};
constexpr Signed kSigned[] = {
#define FSRV_SIGNED(of, kind, key, message, signature) {of, kind, key, message, signature},
#include "tests/common/crypto/signatures.def"
#undef FSRV_SIGNED
};

constexpr const char* kRsa1024 =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDB3WH9jJF7kSRAVsqKche1g12Z\n"
    "vnnBQmthHFnCscaPxlHJFp8jjULE8RcCi6ixKVl5NkETP1b+RTfzLUW4wX7Bcx2/\n"
    "KkNu8k6khgYw7ncAbCmce5RoL/Y66xRS4IaEaKuoXp3jOfhnFPJyXoayggcrT1Re\n"
    "Leg/3uEXlE16H/7nUwIDAQAB\n"
    "-----END PUBLIC KEY-----\n";
constexpr const char* kP384 = "-----BEGIN PUBLIC KEY-----\n"
                              "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE9BNRSpawLCs/I2BN3pSfa6olGvAD6RPv\n"
                              "NK2bP1dXUh/Rzcrr4/X42EKTRbH3p9axk91KhM2JnTn/gtkxNVeWmOC7VxYBD6TD\n"
                              "txYUdU2L9Mz2r38uvBgUzkmn6ODu9ig/\n"
                              "-----END PUBLIC KEY-----\n";

std::string signature_of(const Signed& s) {
    return decode_base64(s.signature, Base64::url).value();
}

TEST(PublicKey, VerifiesWhatItsPrivateKeyHasSigned) {
    for (const Signed& s : kSigned) {
        const auto key = PublicKey::from_pem(s.key);
        ASSERT_TRUE(key) << s.of << ": " << key.error();
        EXPECT_EQ(key->kind(), s.kind);
        EXPECT_TRUE(key->verifies(s.message, signature_of(s))) << s.of;
        EXPECT_TRUE(key->verifies(s.message, signature_of(s))) << s.of << ", again";
    }
}

TEST(PublicKey, NothingElseIsGood) {
    for (const Signed& s : kSigned) {
        const auto key = PublicKey::from_pem(s.key);
        const std::string good = signature_of(s);
        EXPECT_FALSE(key->verifies(std::string(s.message) + "x", good)) << s.of;
        EXPECT_FALSE(key->verifies("", good)) << s.of;
        EXPECT_FALSE(key->verifies(s.message, "")) << s.of;
        EXPECT_FALSE(key->verifies(s.message, good.substr(1))) << s.of;
        EXPECT_FALSE(key->verifies(s.message, good + '\0')) << s.of;
        EXPECT_FALSE(key->verifies(s.message, std::string(good.size(), '\0'))) << s.of;
        for (std::size_t at = 0; at < good.size(); at += 7) {
            std::string other = good;
            other[at] = static_cast<char>(other[at] ^ 1);
            EXPECT_FALSE(key->verifies(s.message, other)) << s.of << ", byte " << at;
        }
        for (const Signed& another : kSigned)
            if (another.kind != s.kind) {
                EXPECT_FALSE(key->verifies(another.message, signature_of(another))) << s.of;
            }
    }
}

TEST(PublicKey, WhatIsNoKeyForTokensIsRefusedWithWhatToDo) {
    const std::string twice = std::string(kSigned[0].key) + kSigned[1].key;
    std::string broken = kSigned[0].key;
    broken.replace(broken.find("MFkw"), 4, "MFkx");
    struct Case {
        std::string pem;
        const char* what;
    };
    const Case table[] = {
        {"", "expected -----BEGIN PUBLIC KEY-----"},
        {"-----BEGIN PRIVATE KEY-----\n", "openssl pkey -pubout"},
        {"-----BEGIN EC PRIVATE KEY-----\n", "openssl pkey -pubout"},
        {"-----BEGIN CERTIFICATE-----\n", "openssl x509 -noout -pubkey"},
        {"-----BEGIN RSA PUBLIC KEY-----\n", "openssl rsa -RSAPublicKey_in"},
        {"-----BEGIN PUBLIC KEY-----\nxyz\n", "broken"},
        {broken, "broken"},
        {twice, "a file of its own"},
        {kRsa1024, "2048 bits"},
        {kP384, "P-256"},
    };
    for (const Case& c : table) {
        const auto key = PublicKey::from_pem(c.pem);
        ASSERT_FALSE(key) << c.what;
        EXPECT_NE(key.error().find(c.what), std::string::npos) << key.error();
    }
}

} // namespace
} // namespace fsrv::crypto
