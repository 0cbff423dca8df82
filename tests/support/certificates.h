// Keys and certificates, made anew for each test: none is ever committed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct evp_pkey_st; // EVP_PKEY

namespace fsrv::test {

enum class KeyKind { p256, p384, ed25519, rsa2048, rsa1024, dsa2048 };

struct Certificate;

struct CertificateSpec {
    std::string name = "localhost";
    KeyKind kind = KeyKind::p256;
    std::int64_t from_s = -86'400;       // from now
    std::int64_t to_s = 90 * 86'400;     // likewise
    const Certificate* issuer = nullptr; // null: itself
    const Certificate* key_of = nullptr; // has the key already; null: a new one
    std::vector<std::string> hosts = {}; // subjectAltName: "DNS:a.example", "IP:127.0.0.1"
    bool is_ca = false;                  // may issue others
};

struct Certificate {
    std::string pem;     // the certificate alone
    std::string key_pem; // its key
    std::string name;
    std::int64_t not_after = 0;
    std::shared_ptr<evp_pkey_st> key;

    std::string key_with_pass_phrase() const; // PKCS #8
    std::string key_as_before() const;        // of RSA and P-*: the form from before PKCS #8
    std::string key_as_before_with_pass_phrase() const;
    std::string der() const;
    std::string request() const; // a certificate request
};

// Aborts the test program when libcrypto refuses.
Certificate make_certificate(const CertificateSpec& spec = {});

} // namespace fsrv::test
