// Keys that sign as RFC 7515 has it, for tests of those who verify.
#pragma once

#include "tests/support/certificates.h"

#include <memory>
#include <string>
#include <string_view>

namespace fsrv::test {

class JwsKey final {
  public:
    // p256, ed25519 or rsa2048; drawn anew.
    explicit JwsKey(KeyKind kind);

    std::string public_pem() const;
    std::string sign(std::string_view text) const; // raw bytes; of p256 r and s

  private:
    std::shared_ptr<evp_pkey_st> key_;
};

} // namespace fsrv::test
