// What stands in a file of certificates and keys, by libcrypto. Touches no file, asks nobody for a
// pass phrase.
#pragma once

#include "common/result.h"
#include "common/secret.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct evp_pkey_st; // EVP_PKEY

namespace fsrv {

struct FreeKey {
    void operator()(evp_pkey_st* key) const;
};
using KeyHandle = std::unique_ptr<evp_pkey_st, FreeKey>;

struct PemCertificate {
    std::string pem;
    std::string fingerprint;     // SHA-256, 64 lower-case hexadecimal digits
    std::int64_t not_before = 0; // seconds since the epoch
    std::int64_t not_after = 0;
    KeyHandle key; // public; null: of a kind that is not known
};

struct PemKey {
    Secret pem; // PKCS #8
    KeyHandle key;
};

struct PemContent {
    std::vector<PemCertificate> certificates; // in their order
    std::vector<PemKey> keys;
    std::string others; // names of what else is there: "CERTIFICATE REQUEST, DH PARAMETERS"
};

struct PemError {
    enum class Kind {
        broken,
        pass_phrase, // of a key
    };
    Kind kind{};
    std::string what; // "the 2nd certificate", "a key"
};

// Text around the PEM is passed over; nothing but text is no error.
Result<PemContent, PemError> read_pem(std::string_view bytes);

// By the public key.
bool belongs_to(const PemKey& key, const PemCertificate& certificate);
// What it signs is what the certificate confirms: the private part is sound, too.
bool signs_for(const PemKey& key, const PemCertificate& certificate);
// Why its key is none to serve with: "expected RSA of 2048 bits or more, found 1024". Empty:
// it is one.
std::string why_not_served_with(const PemCertificate& certificate);

} // namespace fsrv
