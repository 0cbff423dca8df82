// Bearer tokens that others signed (JWT, RFC 7519, as RFC 8725 wants it): RS256, ES256 and EdDSA,
// by the kind of the key and never by what the token says; `none` and HS* there are not.
#pragma once

#include "common/access_material.h"
#include "common/crypto/public_key.h"
#include "common/result.h"
#include "worker/access/fingerprint.h"
#include "worker/access/kept.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv::access {

// Clocks of those who make tokens may be off by so much.
inline constexpr std::int64_t kJwtLeewayS = 60;
inline constexpr std::size_t kMaxJwtBytes = 8 * 1024;
inline constexpr std::size_t kMaxClaimBytes = 255; // of a name
inline constexpr std::size_t kMaxClaimGroups = 100;

struct JwtClaims {
    std::string user;                // sub: UTF-8, no control characters, not empty
    std::vector<std::string> groups; // groups: likewise
    std::int64_t not_before = 0;     // nbf; seconds since the epoch, without the leeway
    std::int64_t expires = 0;        // exp: every token has one
};

enum class JwtFault {
    malformed, // or a claim that is missing (exp, sub), or of another type; `crit`
    other_algorithm,
    bad_signature,
    expired,
    not_yet,
    other_audience, // aud names others, or there is one and --jwt-audience is none
};
std::string_view text_of(JwtFault fault);

// Whether it may be one: three parts. An opaque token may look so too.
bool looks_like_jwt(std::string_view token);

// `audience`: --jwt-audience, which a token has to name; empty: one that names somebody is not for
// us. `now`: seconds since the epoch. Takes 30 to 100 us of a core.
Result<JwtClaims, JwtFault> read_jwt(std::string_view token,
                                     std::span<const crypto::PublicKey> keys,
                                     std::string_view audience, std::int64_t now);

// What the payload of a token says, which is JSON; somebody else has verified its signature.
Result<JwtClaims, JwtFault> read_claims(std::string_view payload, std::string_view audience,
                                        std::int64_t now);

// Those that a worker has verified are kept until they expire, so that a token costs its signature
// once. The loop's thread.
class Jwts final {
  public:
    // Keys that are none are passed over: the supervisor has checked them.
    Jwts(std::span<const JwtKey> keys, std::string audience, std::size_t most_kept = 10'000);

    bool empty() const { return keys_.empty(); }
    // Valid until the next call.
    Result<const JwtClaims*, JwtFault> find(std::string_view token, std::int64_t now);

  private:
    std::vector<crypto::PublicKey> keys_;
    std::string audience_;
    Fingerprints fingerprints_;
    Kept<JwtClaims> kept_;
};

} // namespace fsrv::access
