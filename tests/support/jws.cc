#include "tests/support/jws.h"

#include <cstdio>
#include <cstdlib>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

namespace fsrv::test {
namespace {

void need(bool good, const char* what) {
    if (good) return;
    std::fprintf(stderr, "libcrypto: %s\n", what);
    std::abort();
}

std::string r_and_s(const std::string& der) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(
        d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), ECDSA_SIG_free);
    std::string out(64, '\0');
    auto* const to = reinterpret_cast<unsigned char*>(out.data());
    need(pair != nullptr && BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), to, 32) == 32 &&
             BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), to + 32, 32) == 32,
         "ECDSA");
    return out;
}

} // namespace

JwsKey::JwsKey(KeyKind kind) : key_(make_certificate({.kind = kind}).key) {}

std::string JwsKey::public_pem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new(BIO_s_mem()), BIO_free_all);
    need(bio != nullptr && PEM_write_bio_PUBKEY(bio.get(), key_.get()) == 1, "PEM");
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &bytes);
    return {bytes, static_cast<std::size_t>(size)};
}

std::string JwsKey::sign(std::string_view text) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          EVP_MD_CTX_free);
    const int kind = EVP_PKEY_get_base_id(key_.get());
    const EVP_MD* digest = kind == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
    const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
    std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
    std::size_t size = signature.size();
    need(EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
             EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                            &size, bytes, text.size()) == 1,
         "sign");
    signature.resize(size);
    return kind == EVP_PKEY_EC ? r_and_s(signature) : signature;
}

} // namespace fsrv::test
