#include "supervisor/start/tls_auto.h"

#include "supervisor/start/key_memory.h"
#include "supervisor/start/openssl_types.h"
#include "supervisor/start/tls_pem.h"

#include <algorithm>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <utility>

namespace fsrv {
namespace {

constexpr std::int64_t kDay = 86'400;

using NameList = std::unique_ptr<GENERAL_NAMES, openssl::Freed<GENERAL_NAMES_free>>;

bool is_dns_name(const std::string& name) {
    constexpr std::size_t kMaxName = 253;
    return !name.empty() && name.size() <= kMaxName && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '*';
    });
}

// `value` is the list's from now on.
bool add_name(GENERAL_NAMES* list, int type, ASN1_STRING* value) {
    GENERAL_NAME* entry = value != nullptr ? GENERAL_NAME_new() : nullptr;
    if (entry == nullptr) {
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(entry, type, value);
    if (sk_GENERAL_NAME_push(list, entry) > 0) return true;
    GENERAL_NAME_free(entry);
    return false;
}

bool add_names(X509* certificate, const CertificateSubject& subject) {
    const NameList list(sk_GENERAL_NAME_new_null());
    if (!list) return false;
    for (const std::string& name : subject.names) {
        if (!is_dns_name(name)) continue;
        ASN1_STRING* value = ASN1_IA5STRING_new();
        if (value != nullptr) ASN1_STRING_set(value, name.data(), static_cast<int>(name.size()));
        if (!add_name(list.get(), GEN_DNS, value)) return false;
    }
    for (const std::string& address : subject.addresses) {
        ASN1_STRING* value = a2i_IPADDRESS(address.substr(0, address.find('%')).c_str());
        if (value != nullptr && !add_name(list.get(), GEN_IPADD, value)) return false;
    }
    return X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0,
                             X509V3_ADD_DEFAULT) == 1;
}

bool add_extension(X509* certificate, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

bool set_serial(X509* certificate) {
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
    bytes[0] &= 0x7f; // no negative number
    BIGNUM* number = BN_bin2bn(bytes, sizeof bytes, nullptr);
    const bool set = number != nullptr &&
                     BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
    BN_free(number);
    return set;
}

bool fill_in(X509* certificate, EVP_PKEY* key, const CertificateSubject& subject,
             std::int64_t now) {
    constexpr std::int64_t kClockSkew = 3'600;
    constexpr std::size_t kMaxCommonName = 64;
    const std::string common_name = subject.names.front().substr(0, kMaxCommonName);
    X509_NAME* const name = X509_get_subject_name(certificate);
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           ASN1_TIME_set(X509_getm_notBefore(certificate), now - kClockSkew) != nullptr &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), now + kAutoDays * kDay) != nullptr &&
           X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(common_name.data()),
                                      static_cast<int>(common_name.size()), -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
           add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
           add_extension(certificate, NID_subject_key_identifier, "hash") &&
           add_names(certificate, subject);
}

} // namespace

Result<TlsPair, std::string> make_own_certificate(const CertificateSubject& subject,
                                                  std::int64_t now) {
    keep_memory_private();
    ERR_clear_error();
    const openssl::PrivateKey key(EVP_EC_gen("P-256"));
    const openssl::Certificate certificate(X509_new());
    const openssl::Bio chain(BIO_new(BIO_s_mem())), secret(BIO_new(BIO_s_secmem()));
    const bool made = key && certificate && chain && secret &&
                      fill_in(certificate.get(), key.get(), subject, now) &&
                      X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0 &&
                      PEM_write_bio_X509(chain.get(), certificate.get()) == 1 &&
                      PEM_write_bio_PKCS8PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0,
                                                    nullptr, nullptr) == 1;
    const auto written = made ? read_pem(openssl::text_of(chain)) : PemContent{};
    if (!written || written->certificates.empty()) {
        char why[256];
        ERR_error_string_n(ERR_get_error(), why, sizeof why);
        return unexpected("--tls-cert auto: no certificate can be made: " + std::string(why));
    }
    const PemCertificate& as_read = written->certificates.front();
    return TlsPair{.chain = as_read.pem,
                   .key = Secret(openssl::text_of(secret)),
                   .name = std::string(kAutoCertificate),
                   .not_after = as_read.not_after,
                   .fingerprint = as_read.fingerprint};
}

bool is_worth_keeping(const TlsPair& made, std::int64_t now) {
    return made.not_after - now > 30 * kDay;
}

std::string fingerprint_text(const TlsPair& pair) {
    std::string text;
    for (std::size_t i = 0; i < pair.fingerprint.size(); ++i) {
        if (i > 0 && i % 2 == 0) text += ':';
        const char c = pair.fingerprint[i];
        text += static_cast<char>(c >= 'a' ? c - 'a' + 'A' : c);
    }
    return text;
}

} // namespace fsrv
