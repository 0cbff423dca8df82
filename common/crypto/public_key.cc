#include "common/crypto/public_key.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <optional>

namespace fsrv::crypto {
namespace {

constexpr std::string_view kBegin = "-----BEGIN PUBLIC KEY-----";
constexpr std::size_t kP256Half = 32; // bytes of r, and of s
constexpr int kLeastRsaBits = 2048;

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Context = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;

const unsigned char* octets(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

std::string why_no_pem(std::string_view pem) {
    const auto has = [&](std::string_view text) { return pem.find(text) != pem.npos; };
    std::string why = fmt::format("expected {} ... in PEM", kBegin);
    if (has("PRIVATE KEY-----"))
        why += ", found a private key, which only who makes the tokens needs: openssl pkey -pubout "
               "-in KEY";
    else if (has("-----BEGIN CERTIFICATE-----"))
        why += ", found a certificate: openssl x509 -noout -pubkey -in CERTIFICATE";
    else if (has("-----BEGIN RSA PUBLIC KEY-----"))
        why += ", found PKCS #1: openssl rsa -RSAPublicKey_in -pubout -in KEY";
    return why;
}

std::optional<KeyKind> kind_of(const EVP_PKEY* key) {
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        if (EVP_PKEY_get_bits(key) < kLeastRsaBits) return std::nullopt;
        return KeyKind::rsa;
    case EVP_PKEY_EC: {
        char group[32] = {};
        std::size_t length = 0;
        if (EVP_PKEY_get_group_name(key, group, sizeof group, &length) != 1 ||
            std::string_view(group, length) != SN_X9_62_prime256v1)
            return std::nullopt;
        return KeyKind::p256;
    }
    case EVP_PKEY_ED25519: return KeyKind::ed25519;
    default: return std::nullopt;
    }
}

// JWS has r and s of fixed length, libcrypto wants them in DER. Empty: they are none.
std::string der_of(std::string_view signature) {
    if (signature.size() != 2 * kP256Half) return {};
    Number r(BN_bin2bn(octets(signature), kP256Half, nullptr));
    Number s(BN_bin2bn(octets(signature) + kP256Half, kP256Half, nullptr));
    const Signature pair(ECDSA_SIG_new());
    if (!r || !s || !pair || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
    static_cast<void>(r.release()), static_cast<void>(s.release());
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(pair.get(), &der);
    if (size <= 0) return {};
    std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return text;
}

} // namespace

void PublicKey::Free::operator()(evp_pkey_st* key) const {
    EVP_PKEY_free(key);
}

Result<PublicKey, std::string> PublicKey::from_pem(std::string_view pem) {
    const std::size_t begin = pem.find(kBegin);
    if (begin == pem.npos) return unexpected(why_no_pem(pem));
    if (pem.find(kBegin, begin + 1) != pem.npos)
        return unexpected(std::string("expected one key; put each in a file of its own, and name "
                                      "all of them"));
    const Bio text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    Handle key(text ? PEM_read_bio_PUBKEY(text.get(), nullptr, nullptr, nullptr) : nullptr);
    ERR_clear_error();
    if (!key)
        return unexpected(std::string("expected sound PEM, but the key in it is broken; copy it "
                                      "anew from where it was made"));
    const auto kind = kind_of(key.get());
    if (!kind)
        return unexpected(fmt::format("expected a key of RSA of {} bits or more (RS256), of the "
                                      "curve P-256 (ES256) or of Ed25519 (EdDSA), found another "
                                      "kind",
                                      kLeastRsaBits));
    return PublicKey(std::move(key), *kind);
}

bool PublicKey::verifies(std::string_view message, std::string_view signature) const {
    const std::string der = kind_ == KeyKind::p256 ? der_of(signature) : std::string();
    if (kind_ == KeyKind::p256) signature = der;
    if (signature.empty()) return false;
    const Context context(EVP_MD_CTX_new());
    const EVP_MD* digest = kind_ == KeyKind::ed25519 ? nullptr : EVP_sha256();
    const bool good =
        context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
        EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(message),
                         message.size()) == 1;
    ERR_clear_error();
    return good;
}

} // namespace fsrv::crypto
