// SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104), comparisons that take as long whatever they
// find, and random bytes. A failure of libcrypto here is a bug or the end of memory, and aborts.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st; // EVP_MD_CTX

namespace fsrv::crypto {

struct Digest {
    std::array<char, 32> bytes{};

    std::string_view view() const { return {bytes.data(), bytes.size()}; } // as long as this lives
    // Not in constant time: for tables whose keys nobody can choose.
    friend auto operator<=>(const Digest&, const Digest&) = default;
};

Digest sha256(std::string_view text);
Digest hmac_sha256(std::string_view key, std::string_view text);

// SHA-256 of what comes in pieces. One thread at a time.
class Sha256 final {
  public:
    Sha256();
    void add(std::string_view piece);
    Digest finish(); // of all that was added; then it begins anew

  private:
    struct Free {
        void operator()(evp_md_ctx_st* context) const;
    };
    std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// Whether they are the same, in a time that only their lengths decide.
bool equal_in_constant_time(std::string_view a, std::string_view b);

std::string random_bytes(std::size_t count); // of the kernel; at most 256

} // namespace fsrv::crypto
