#include "tests/support/certificates.h"

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <openssl/dsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

namespace fsrv::test {
namespace {

void must(bool good, const char* what) {
    if (good) return;
    std::fprintf(stderr, "libcrypto: %s\n", what);
    std::abort();
}

std::string written(const std::function<bool(BIO*)>& write) {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new(BIO_s_mem()), BIO_free_all);
    must(bio != nullptr && write(bio.get()), "write");
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &bytes);
    return {bytes, static_cast<std::size_t>(size)};
}

EVP_PKEY* make_dsa() {
    const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> parameters(
        EVP_PKEY_CTX_new_id(EVP_PKEY_DSA, nullptr), EVP_PKEY_CTX_free);
    EVP_PKEY* drawn = nullptr;
    must(EVP_PKEY_paramgen_init(parameters.get()) == 1 &&
             EVP_PKEY_CTX_set_dsa_paramgen_bits(parameters.get(), 2048) == 1 &&
             EVP_PKEY_paramgen(parameters.get(), &drawn) == 1,
         "DSA parameters");
    const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> maker(
        EVP_PKEY_CTX_new(drawn, nullptr), EVP_PKEY_CTX_free);
    EVP_PKEY* key = nullptr;
    must(EVP_PKEY_keygen_init(maker.get()) == 1 && EVP_PKEY_keygen(maker.get(), &key) == 1, "DSA");
    EVP_PKEY_free(drawn);
    return key;
}

EVP_PKEY* make_key(KeyKind kind) {
    switch (kind) {
    case KeyKind::p256: return EVP_EC_gen("P-256");
    case KeyKind::p384: return EVP_EC_gen("P-384");
    case KeyKind::ed25519: return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    case KeyKind::rsa2048: return EVP_RSA_gen(2048);
    case KeyKind::rsa1024: return EVP_RSA_gen(1024);
    case KeyKind::dsa2048: return make_dsa();
    }
    return nullptr;
}

const EVP_MD* digest_for(EVP_PKEY* key) {
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
}

void set_name(X509_NAME* to, const std::string& name) {
    must(X509_NAME_add_entry_by_NID(to, NID_commonName, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(name.data()),
                                    static_cast<int>(name.size()), -1, 0) == 1,
         "name");
}

void add_extension(X509* to, int kind, const std::string& text) {
    const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
        X509V3_EXT_conf_nid(nullptr, nullptr, kind, text.c_str()), X509_EXTENSION_free);
    must(extension && X509_add_ext(to, extension.get(), -1) == 1, "extension");
}

} // namespace

Certificate make_certificate(const CertificateSpec& spec) {
    static std::uint64_t serial = 0;
    Certificate made{.name = spec.name};
    if (spec.key_of != nullptr)
        made.key = spec.key_of->key;
    else
        made.key = {make_key(spec.kind), EVP_PKEY_free};
    must(made.key != nullptr, "key");
    const std::unique_ptr<X509, decltype(&X509_free)> x509(X509_new(), X509_free);
    const std::time_t now = std::time(nullptr);
    made.not_after = now + spec.to_s;
    must(x509 && X509_set_version(x509.get(), X509_VERSION_3) == 1 &&
             ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509.get()), ++serial) == 1 &&
             ASN1_TIME_set(X509_getm_notBefore(x509.get()), now + spec.from_s) != nullptr &&
             ASN1_TIME_set(X509_getm_notAfter(x509.get()), made.not_after) != nullptr &&
             X509_set_pubkey(x509.get(), made.key.get()) == 1,
         "certificate");
    set_name(X509_get_subject_name(x509.get()), spec.name);
    set_name(X509_get_issuer_name(x509.get()), spec.issuer ? spec.issuer->name : spec.name);
    if (spec.is_ca) add_extension(x509.get(), NID_basic_constraints, "critical,CA:TRUE");
    std::string hosts;
    for (const std::string& host : spec.hosts) hosts += (hosts.empty() ? "" : ",") + host;
    if (!hosts.empty()) add_extension(x509.get(), NID_subject_alt_name, hosts);
    EVP_PKEY* const signer = spec.issuer ? spec.issuer->key.get() : made.key.get();
    must(X509_sign(x509.get(), signer, digest_for(signer)) > 0, "signature");
    made.pem = written([&](BIO* to) { return PEM_write_bio_X509(to, x509.get()) == 1; });
    made.key_pem = written([&](BIO* to) {
        return PEM_write_bio_PKCS8PrivateKey(to, made.key.get(), nullptr, nullptr, 0, nullptr,
                                             nullptr) == 1;
    });
    return made;
}

std::string Certificate::key_with_pass_phrase() const {
    return written([&](BIO* to) {
        return PEM_write_bio_PKCS8PrivateKey(to, key.get(), EVP_aes_256_cbc(), "secret", 6, nullptr,
                                             nullptr) == 1;
    });
}

std::string Certificate::key_as_before() const {
    return written([&](BIO* to) {
        return PEM_write_bio_PrivateKey_traditional(to, key.get(), nullptr, nullptr, 0, nullptr,
                                                    nullptr) == 1;
    });
}

std::string Certificate::key_as_before_with_pass_phrase() const {
    unsigned char phrase[] = "secret";
    return written([&](BIO* to) {
        return PEM_write_bio_PrivateKey_traditional(to, key.get(), EVP_aes_128_cbc(), phrase, 6,
                                                    nullptr, nullptr) == 1;
    });
}

std::string Certificate::der() const {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> from(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free_all);
    const std::unique_ptr<X509, decltype(&X509_free)> x509(
        PEM_read_bio_X509(from.get(), nullptr, nullptr, nullptr), X509_free);
    return written([&](BIO* to) { return i2d_X509_bio(to, x509.get()) == 1; });
}

std::string Certificate::request() const {
    const std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> wish(X509_REQ_new(), X509_REQ_free);
    set_name(X509_REQ_get_subject_name(wish.get()), name);
    must(X509_REQ_set_pubkey(wish.get(), key.get()) == 1 &&
             X509_REQ_sign(wish.get(), key.get(), digest_for(key.get())) > 0,
         "request");
    return written([&](BIO* to) { return PEM_write_bio_X509_REQ(to, wish.get()) == 1; });
}

} // namespace fsrv::test
