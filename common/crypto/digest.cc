#include "common/crypto/digest.h"

#include "common/check.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <unistd.h>

namespace fsrv::crypto {
namespace {

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* room_of(Digest& digest) {
    return reinterpret_cast<unsigned char*>(digest.bytes.data());
}

} // namespace

Digest sha256(std::string_view text) {
    Digest digest;
    std::size_t size = 0;
    FSRV_CHECK(EVP_Q_digest(nullptr, "SHA256", nullptr, bytes_of(text), text.size(),
                            room_of(digest), &size) == 1 &&
                   size == digest.bytes.size(),
               "SHA-256");
    return digest;
}

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
    EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
    FSRV_CHECK(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1,
               "SHA-256");
}

void Sha256::add(std::string_view piece) {
    FSRV_CHECK(EVP_DigestUpdate(context_.get(), piece.data(), piece.size()) == 1, "SHA-256");
}

Digest Sha256::finish() {
    Digest digest;
    unsigned size = 0;
    FSRV_CHECK(EVP_DigestFinal_ex(context_.get(), room_of(digest), &size) == 1 &&
                   size == digest.bytes.size() &&
                   EVP_DigestInit_ex(context_.get(), nullptr, nullptr) == 1,
               "SHA-256");
    return digest;
}

Digest hmac_sha256(std::string_view key, std::string_view text) {
    Digest digest;
    unsigned size = 0;
    FSRV_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(text),
                    text.size(), room_of(digest), &size) != nullptr &&
                   size == digest.bytes.size(),
               "HMAC-SHA-256");
    return digest;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    FSRV_CHECK(getentropy(bytes.data(), count) == 0, "no random bytes");
    return bytes;
}

} // namespace fsrv::crypto
