// SipHash, a hash for tables whose keys others choose: without the secret nobody can tell which of
// them fall together. Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace fsrv {

struct SipSecret {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
};

// Rounds for each word, and at the end: 1 and 3 are enough for a table.
template <unsigned kRounds = 1, unsigned kLastRounds = 3>
std::uint64_t siphash(const SipSecret& secret, std::string_view bytes) {
    static_assert(std::endian::native == std::endian::little);
    std::uint64_t v0 = secret.low ^ 0x736f6d6570736575;
    std::uint64_t v1 = secret.high ^ 0x646f72616e646f6d;
    std::uint64_t v2 = secret.low ^ 0x6c7967656e657261;
    std::uint64_t v3 = secret.high ^ 0x7465646279746573;
    const auto mix = [&](unsigned rounds) {
        for (unsigned i = 0; i < rounds; ++i) {
            v0 += v1;
            v2 += v3;
            v1 = std::rotl(v1, 13) ^ v0;
            v3 = std::rotl(v3, 16) ^ v2;
            v0 = std::rotl(v0, 32);
            v2 += v1;
            v0 += v3;
            v1 = std::rotl(v1, 17) ^ v2;
            v3 = std::rotl(v3, 21) ^ v0;
            v2 = std::rotl(v2, 32);
        }
    };
    const auto take = [&](std::uint64_t word) {
        v3 ^= word;
        mix(kRounds);
        v0 ^= word;
    };
    const std::size_t whole = bytes.size() / 8 * 8;
    for (std::size_t at = 0; at < whole; at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + at, 8);
        take(word);
    }
    std::uint64_t last = 0;
    if (whole < bytes.size()) std::memcpy(&last, bytes.data() + whole, bytes.size() - whole);
    take(last | std::uint64_t{bytes.size()} << 56);
    v2 ^= 0xFF;
    mix(kLastRounds);
    return v0 ^ v1 ^ v2 ^ v3;
}

} // namespace fsrv
