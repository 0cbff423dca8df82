// A public key that signatures of JWS (RFC 7515, RFC 7518, RFC 8037) are verified with. What is
// verified, and how, is decided by the kind of the key alone; nothing that a client says changes
// it.
#pragma once

#include "common/result.h"

#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st; // EVP_PKEY

namespace fsrv::crypto {

enum class KeyKind {
    rsa,     // PKCS #1 v1.5 with SHA-256: RS256
    p256,    // ECDSA with SHA-256, r and s one behind the other: ES256
    ed25519, // EdDSA
};

class PublicKey final {
  public:
    // The only key of a PEM text (SubjectPublicKeyInfo). The error is why not, what was expected,
    // and which command makes that: ready to stand behind the name of the file.
    static Result<PublicKey, std::string> from_pem(std::string_view pem);

    KeyKind kind() const { return kind_; }
    bool verifies(std::string_view message, std::string_view signature) const;

  private:
    struct Free {
        void operator()(evp_pkey_st* key) const;
    };
    using Handle = std::unique_ptr<evp_pkey_st, Free>;
    PublicKey(Handle key, KeyKind kind) : key_(std::move(key)), kind_(kind) {}

    Handle key_;
    KeyKind kind_;
};

} // namespace fsrv::crypto
