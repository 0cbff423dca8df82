// What stands for a credential in a table: 128 bits under secrets of this start (SipHash-2-4,
// twice, which its authors mean to be a MAC). Who does not know the secrets can neither choose one
// nor guess another's; it takes a tenth of the time of an HMAC through libcrypto.
#pragma once

#include "common/siphash.h"

#include <compare>
#include <cstdint>
#include <string_view>

namespace fsrv::access {

struct Fingerprint {
    std::uint64_t low = 0;
    std::uint64_t high = 0;

    friend auto operator<=>(const Fingerprint&, const Fingerprint&) = default;
};

class Fingerprints final {
  public:
    Fingerprints(); // of secrets that nobody else has

    Fingerprint of(std::string_view text) const {
        return {.low = siphash<2, 4>(low_, text), .high = siphash<2, 4>(high_, text)};
    }

  private:
    SipSecret low_, high_;
};

} // namespace fsrv::access
