#include "common/crypto/digest.h"

#include "common/check.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
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
    return Hmac(key).of(text);
}

void Hmac::Free::operator()(evp_mac_ctx_st* context) const {
    EVP_MAC_CTX_free(context);
}

Hmac::Hmac(std::string_view key) {
    EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    context_.reset(EVP_MAC_CTX_new(mac));
    EVP_MAC_free(mac);
    char name[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end()};
    FSRV_CHECK(context_ && EVP_MAC_init(context_.get(), bytes_of(key), key.size(), parameters) == 1,
               "HMAC-SHA-256");
}

Digest Hmac::of(std::string_view text) {
    Digest digest;
    std::size_t size = 0;
    FSRV_CHECK(EVP_MAC_init(context_.get(), nullptr, 0, nullptr) == 1 &&
                   EVP_MAC_update(context_.get(), bytes_of(text), text.size()) == 1 &&
                   EVP_MAC_final(context_.get(), room_of(digest), &size, digest.bytes.size()) ==
                       1 &&
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
