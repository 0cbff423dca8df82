#include "supervisor/start/tls_pem.h"

#include "supervisor/start/openssl_types.h"

#include <ctime>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <optional>

namespace fsrv {
namespace {

using openssl::Bio;

// One piece of PEM as it stands in the file, decoded, and wiped at its end.
class Block final {
  public:
    Block() = default;
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block() {
        OPENSSL_secure_free(name_);
        OPENSSL_secure_free(header_);
        OPENSSL_secure_clear_free(data_, size());
    }

    bool read(BIO* from) {
        return PEM_read_bio_ex(from, &name_, &header_, &data_, &size_,
                               PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE) == 1;
    }
    std::string_view name() const { return name_; }
    bool is_encrypted() const {
        return std::string_view(header_).find("ENCRYPTED") != std::string_view::npos;
    }
    const unsigned char* data() const { return data_; }
    std::size_t size() const { return static_cast<std::size_t>(size_); }

  private:
    char* name_ = nullptr;
    char* header_ = nullptr;
    unsigned char* data_ = nullptr;
    long size_ = 0;
};

std::int64_t seconds_of(const ASN1_TIME* time) {
    std::tm parts{};
    return ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

std::optional<PemCertificate> certificate_of(const Block& block) {
    const unsigned char* at = block.data();
    const auto length = static_cast<long>(block.size());
    const openssl::Certificate x509(block.name() == PEM_STRING_X509_TRUSTED
                                        ? d2i_X509_AUX(nullptr, &at, length)
                                        : d2i_X509(nullptr, &at, length));
    const Bio text(BIO_new(BIO_s_mem()));
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_size = 0;
    if (!x509 || at != block.data() + block.size() || !text ||
        PEM_write_bio_X509(text.get(), x509.get()) != 1 ||
        X509_digest(x509.get(), EVP_sha256(), digest, &digest_size) != 1)
        return std::nullopt;
    PemCertificate certificate{.pem = openssl::text_of(text),
                               .not_before = seconds_of(X509_get0_notBefore(x509.get())),
                               .not_after = seconds_of(X509_get0_notAfter(x509.get())),
                               .key = KeyHandle(X509_get_pubkey(x509.get()))};
    for (unsigned i = 0; i < digest_size; ++i)
        certificate.fingerprint += fmt::format("{:02x}", digest[i]);
    return certificate;
}

std::optional<PemKey> key_of(const Block& block) {
    const unsigned char* at = block.data();
    KeyHandle key(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(block.size())));
    const Bio text(BIO_new(BIO_s_secmem()));
    if (!key || !text ||
        PEM_write_bio_PKCS8PrivateKey(text.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                      nullptr) != 1)
        return std::nullopt;
    return PemKey{.pem = Secret(openssl::text_of(text)), .key = std::move(key)};
}

bool is_certificate(std::string_view name) {
    return name == PEM_STRING_X509 || name == PEM_STRING_X509_OLD ||
           name == PEM_STRING_X509_TRUSTED;
}

bool is_private_key(std::string_view name) {
    return name == PEM_STRING_PKCS8INF || name == PEM_STRING_RSA || name == PEM_STRING_ECPRIVATEKEY;
}

PemError broken(std::string_view what, std::size_t before) {
    constexpr std::string_view kEndings[] = {"st", "nd", "rd"};
    return {PemError::Kind::broken,
            fmt::format("the {}{} {}", before + 1, before < 3 ? kEndings[before] : "th", what)};
}

} // namespace

void FreeKey::operator()(evp_pkey_st* key) const {
    EVP_PKEY_free(key);
}

Result<PemContent, PemError> read_pem(std::string_view bytes) {
    PemContent content;
    const Bio from(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
    for (;;) {
        ERR_clear_error();
        Block block;
        if (!block.read(from.get())) {
            const bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
            ERR_clear_error();
            if (is_end) return content;
            return unexpected(
                broken("piece of PEM", content.certificates.size() + content.keys.size()));
        }
        if (block.is_encrypted() || block.name() == PEM_STRING_PKCS8)
            return unexpected(PemError{PemError::Kind::pass_phrase, "a key"});
        if (is_certificate(block.name())) {
            auto certificate = certificate_of(block);
            if (!certificate) return unexpected(broken("certificate", content.certificates.size()));
            content.certificates.push_back(std::move(*certificate));
        } else if (is_private_key(block.name())) {
            auto key = key_of(block);
            if (!key) return unexpected(broken("key", content.keys.size()));
            content.keys.push_back(std::move(*key));
        } else {
            content.others += (content.others.empty() ? "" : ", ") + std::string(block.name());
        }
    }
}

bool belongs_to(const PemKey& key, const PemCertificate& certificate) {
    const bool same = certificate.key && EVP_PKEY_eq(key.key.get(), certificate.key.get()) == 1;
    ERR_clear_error();
    return same;
}

bool signs_for(const PemKey& key, const PemCertificate& certificate) {
    constexpr unsigned char kText[] = "fsrv";
    const openssl::Digest sign(EVP_MD_CTX_new()), verify(EVP_MD_CTX_new());
    std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key.key.get())), '\0');
    auto* const at = reinterpret_cast<unsigned char*>(signature.data());
    std::size_t size = signature.size();
    const bool good =
        certificate.key && sign && verify &&
        EVP_DigestSignInit(sign.get(), nullptr, nullptr, nullptr, key.key.get()) == 1 &&
        EVP_DigestSign(sign.get(), at, &size, kText, sizeof kText) == 1 &&
        EVP_DigestVerifyInit(verify.get(), nullptr, nullptr, nullptr, certificate.key.get()) == 1 &&
        EVP_DigestVerify(verify.get(), at, size, kText, sizeof kText) == 1;
    ERR_clear_error();
    return good;
}

std::string why_not_served_with(const PemCertificate& certificate) {
    constexpr int kLeastRsaBits = 2048, kLeastSecurityBits = 112;
    const EVP_PKEY* key = certificate.key.get();
    const int kind = key == nullptr ? EVP_PKEY_NONE : EVP_PKEY_get_base_id(key);
    switch (kind) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        if (EVP_PKEY_get_bits(key) >= kLeastRsaBits) return {};
        return fmt::format("expected RSA of {} bits or more, found {}", kLeastRsaBits,
                           EVP_PKEY_get_bits(key));
    case EVP_PKEY_EC:
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
        if (EVP_PKEY_get_security_bits(key) >= kLeastSecurityBits) return {};
        return fmt::format("expected a curve of 224 bits or more, found {}",
                           EVP_PKEY_get_bits(key));
    default: return "expected a key of RSA, ECDSA or EdDSA, found another kind";
    }
}

} // namespace fsrv
