#include "worker/wire/tls.h"

#include "common/check.h"
#include "common/quick_calls.h"
#include "common/ticket_keys.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>
#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <utility>

namespace fsrv::wire {

// Of OpenSSL, with their ends. By name: Parts has some.
namespace openssl {

template <auto* Free>
struct Freed {
    template <class T>
    void operator()(T* thing) const {
        Free(thing);
    }
};
using CtxPtr = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free>>;
using CertPtr = std::unique_ptr<X509, Freed<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using MethodPtr = std::unique_ptr<BIO_METHOD, Freed<BIO_meth_free>>;

} // namespace openssl

using openssl::BioPtr;
using openssl::CertPtr;
using openssl::CtxPtr;
using openssl::Freed;
using openssl::KeyPtr;
using openssl::MethodPtr;

namespace {

// A record of this size fits into one packet, so that a client can decrypt what has come. Once so
// many bytes have gone without a pause, records are as large as they may be, which costs less.
constexpr std::size_t kFirstRecords = 1'350;
constexpr std::uint64_t kFirstBytes = 32 * 1024;
constexpr std::uint64_t kPauseMs = 1'000;
// What is encrypted before it is sent, with one call.
constexpr std::size_t kCollectedBytes = 33 * 1024; // then it is: with one record more, at most
constexpr std::size_t kReceiveBytes = 17 * 1024;   // a record at its largest, with what is about it

constexpr std::string_view kHttp2 = "\2h2";
constexpr std::string_view kHttp11 = "\x8http/1.1";

std::string why() {
    char text[256] = "";
    ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
    ERR_clear_error();
    return text;
}

std::uint64_t coarse_ms() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

BioPtr bio_of(std::string_view text) {
    return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

TlsFailure failure_of(unsigned long error) {
    if (ERR_GET_LIB(error) != ERR_LIB_SSL) return TlsFailure::other;
    const int reason = ERR_GET_REASON(error);
    if (reason > SSL_AD_REASON_OFFSET) return TlsFailure::refused; // an alert of the client's
    switch (reason) {
    case SSL_R_UNEXPECTED_EOF_WHILE_READING: return TlsFailure::closed;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_VERSION_TOO_LOW: return TlsFailure::version;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_APPLICATION_PROTOCOL: return TlsFailure::nothing_shared;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return TlsFailure::certificate;
    default: return TlsFailure::other;
    }
}

} // namespace

struct TlsContext::Parts {
    MethodPtr method;             // how OpenSSL reaches the socket
    std::vector<CtxPtr> contexts; // the first one is for who names no server, or another one
    bool http2 = false;
    bool needs_certificate = true;
    const TicketKeyRing* tickets = nullptr;
    TicketKeySet ticket_keys;
    // Shared by all connections: empty between their calls.
    std::vector<char> collected; // encrypted, not sent yet
    std::array<char, Tls::kRecordBytes> record;

    static Parts& of(SSL* ssl) {
        return *static_cast<Parts*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    }
    std::string add(const TlsPair& pair, const TlsMaterial& material); // empty: done
    std::string configure(SSL_CTX& ctx, const TlsMaterial& material);
    SSL_CTX* context_for(X509& leaf, int key_type) const;
    static int on_server_name(SSL* ssl, int*, void*);
    static int on_alpn(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                       const unsigned char* offered, unsigned offered_size, void* parts);
    static int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                         EVP_MAC_CTX* mac, int encrypts);
};

// OpenSSL's way to the socket: what it reads comes from there, what it writes is collected.
struct Tls::Calls {
    static Tls& of(BIO* bio) { return *static_cast<Tls*>(BIO_get_data(bio)); }

    static int read(BIO* bio, char* room, std::size_t size, std::size_t* done) {
        Tls& tls = of(bio);
        BIO_clear_retry_flags(bio);
        ssize_t n = 0;
        do n = quick_recv(tls.fd_, room, size, 0);
        while (n < 0 && errno == EINTR);
        if (n > 0) {
            tls.drained_ = static_cast<std::size_t>(n) < size;
            if (tls.first_byte_ == '\0') tls.first_byte_ = *room;
            *done = static_cast<std::size_t>(n);
            return 1;
        }
        *done = 0;
        tls.drained_ = true;
        if (n == 0) tls.end_was_seen_ = true;
        if (n < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
        return n == 0 ? 0 : -1;
    }
    static int write(BIO* bio, const char* bytes, std::size_t size, std::size_t* done) {
        Tls& tls = of(bio);
        BIO_clear_retry_flags(bio);
        std::vector<char>& collected = tls.context_.parts_->collected;
        collected.insert(collected.end(), bytes, bytes + size);
        *done = size;
        return 1;
    }
    static long control(BIO* bio, int command, long, void*) {
        if (command == BIO_CTRL_EOF) return of(bio).end_was_seen_ ? 1 : 0;
        return command == BIO_CTRL_FLUSH ? 1 : 0;
    }

    static MethodPtr method() {
        MethodPtr method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket"));
        if (method) {
            BIO_meth_set_read_ex(method.get(), &Calls::read);
            BIO_meth_set_write_ex(method.get(), &Calls::write);
            BIO_meth_set_ctrl(method.get(), &Calls::control);
        }
        return method;
    }
};

TlsContext::TlsContext() : parts_(std::make_unique<Parts>()) {}
TlsContext::~TlsContext() = default;

Result<std::unique_ptr<TlsContext>, std::string> TlsContext::make(const Config& config) {
    std::unique_ptr<TlsContext> context(new TlsContext());
    Parts& parts = *context->parts_;
    parts.http2 = config.http2;
    parts.needs_certificate = config.needs_certificate;
    parts.tickets = config.material.tickets;
    parts.method = Tls::Calls::method();
    parts.collected.reserve(Tls::kMostHeldBack);
    for (const TlsPair& pair : config.material.pairs) {
        if (std::string wrong = parts.add(pair, config.material); !wrong.empty())
            return unexpected(pair.name + ": " + wrong);
    }
    return context;
}

// Certificates of other keys for the same names stand side by side: the client says which it takes.
SSL_CTX* TlsContext::Parts::context_for(X509& leaf, int key_type) const {
    for (const CtxPtr& ctx : contexts) {
        X509* const first = SSL_CTX_get0_certificate(ctx.get());
        if (EVP_PKEY_get_base_id(X509_get0_pubkey(first)) == key_type) continue;
        const std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>> a(
            static_cast<GENERAL_NAMES*>(
                X509_get_ext_d2i(first, NID_subject_alt_name, nullptr, nullptr)));
        const std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>> b(
            static_cast<GENERAL_NAMES*>(
                X509_get_ext_d2i(&leaf, NID_subject_alt_name, nullptr, nullptr)));
        const int count = a && b ? sk_GENERAL_NAME_num(a.get()) : -1;
        bool same = count >= 0 && count == sk_GENERAL_NAME_num(b.get());
        for (int i = 0; same && i < count; ++i) {
            same = GENERAL_NAME_cmp(sk_GENERAL_NAME_value(a.get(), i),
                                    sk_GENERAL_NAME_value(b.get(), i)) == 0;
        }
        if (same) return ctx.get();
    }
    return nullptr;
}

std::string TlsContext::Parts::add(const TlsPair& pair, const TlsMaterial& material) {
    const BioPtr chain = bio_of(pair.chain);
    const CertPtr leaf(PEM_read_bio_X509_AUX(chain.get(), nullptr, nullptr, nullptr));
    const BioPtr key_text = bio_of(pair.key.view());
    const KeyPtr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
    if (!leaf || !key) return why();
    SSL_CTX* ctx = context_for(*leaf, EVP_PKEY_get_base_id(key.get()));
    if (!ctx) {
        contexts.emplace_back(SSL_CTX_new(TLS_server_method()));
        ctx = contexts.back().get();
        if (!ctx) return why();
        if (std::string wrong = configure(*ctx, material); !wrong.empty()) return wrong;
    }
    if (SSL_CTX_use_certificate(ctx, leaf.get()) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, key.get()) != 1)
        return why();
    while (CertPtr next{PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr)})
        if (SSL_CTX_add1_chain_cert(ctx, next.get()) != 1) return why();
    ERR_clear_error(); // the end of the file is one
    return {};
}

std::string TlsContext::Parts::configure(SSL_CTX& ctx, const TlsMaterial& material) {
    SSL_CTX_set_app_data(&ctx, this);
    const int least = material.least == TlsVersion::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX_set_options(&ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(&ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(&ctx, 1);
    SSL_CTX_set_default_read_buffer_len(&ctx, kReceiveBytes);
    SSL_CTX_set_session_cache_mode(&ctx, SSL_SESS_CACHE_OFF); // tickets need no memory
    SSL_CTX_set_num_tickets(&ctx, 1);
    // As SSL_CTX_set_tlsext_servername_callback(), whose cast is C's.
    SSL_CTX_callback_ctrl(&ctx, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                          reinterpret_cast<void (*)()>(&Parts::on_server_name));
    SSL_CTX_set_tlsext_servername_arg(&ctx, this);
    SSL_CTX_set_alpn_select_cb(&ctx, &Parts::on_alpn, this);
    if (tickets) SSL_CTX_set_tlsext_ticket_key_evp_cb(&ctx, &Parts::on_ticket);
    // A session that began where other clients were welcome, before a reload say, would skip the
    // look at the client's certificate: it is none of these.
    std::array<unsigned char, SSL_MAX_SID_CTX_LENGTH> welcome{};
    unsigned welcome_size = 0;
    const std::string who = material.client_ca + (needs_certificate ? "" : "or nobody");
    if (EVP_Digest(who.data(), who.size(), welcome.data(), &welcome_size, EVP_sha256(), nullptr) !=
        1)
        return why();
    if (SSL_CTX_set_min_proto_version(&ctx, least) != 1 ||
        SSL_CTX_set_cipher_list(&ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
        SSL_CTX_set_session_id_context(&ctx, welcome.data(), welcome_size) != 1)
        return why();
    if (material.client_ca.empty()) return {};
    const BioPtr cas = bio_of(material.client_ca);
    X509_STORE* const store = SSL_CTX_get_cert_store(&ctx);
    while (CertPtr ca{PEM_read_bio_X509(cas.get(), nullptr, nullptr, nullptr)})
        if (X509_STORE_add_cert(store, ca.get()) != 1 || SSL_CTX_add_client_CA(&ctx, ca.get()) != 1)
            return why();
    ERR_clear_error();
    SSL_CTX_set_verify(&ctx,
                       needs_certificate ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                         : SSL_VERIFY_PEER,
                       nullptr);
    return {};
}

int TlsContext::Parts::on_server_name(SSL* ssl, int*, void* arg) {
    const auto& parts = *static_cast<const Parts*>(arg);
    const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!name || parts.contexts.size() == 1) return SSL_TLSEXT_ERR_OK;
    for (const CtxPtr& ctx : parts.contexts) {
        if (X509_check_host(SSL_CTX_get0_certificate(ctx.get()), name, 0, 0, nullptr) != 1)
            continue;
        SSL_set_SSL_CTX(ssl, ctx.get());
        break;
    }
    return SSL_TLSEXT_ERR_OK;
}

int TlsContext::Parts::on_alpn(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                               const unsigned char* offered, unsigned offered_size, void* arg) {
    const auto& parts = *static_cast<const Parts*>(arg);
    const std::string ours = std::string(parts.http2 ? kHttp2 : "") + std::string(kHttp11);
    unsigned char* found = nullptr;
    const int agreed = SSL_select_next_proto(
        &found, chosen_size, reinterpret_cast<const unsigned char*>(ours.data()),
        static_cast<unsigned>(ours.size()), offered, offered_size);
    if (agreed != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    // It points into what dies here: the client's own bytes are the same.
    const std::string_view all(reinterpret_cast<const char*>(offered), offered_size);
    const std::size_t at = all.find(
        std::string_view(reinterpret_cast<char*>(found - 1), std::size_t{*chosen_size} + 1));
    *chosen = offered + at + 1;
    return SSL_TLSEXT_ERR_OK;
}

int TlsContext::Parts::on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv,
                                 EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int encrypts) {
    Parts& parts = of(ssl);
    if (parts.ticket_keys.version != parts.tickets->version())
        parts.tickets->read(parts.ticket_keys); // if it cannot be just now, those of before do
    const TicketKey* key = nullptr;
    if (encrypts != 0) {
        if (parts.ticket_keys.count == 0) return 0;
        key = parts.ticket_keys.keys.data();
        if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1) return -1;
        std::copy(key->name.begin(), key->name.end(), name);
    } else {
        for (const TicketKey& one : parts.ticket_keys.all())
            if (std::equal(one.name.begin(), one.name.end(), name)) key = &one;
        if (!key) return 0; // a whole handshake, then
    }
    const int ready =
        encrypts != 0 ? EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->aes.data(), iv)
                      : EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->aes.data(), iv);
    std::array<std::uint8_t, 32> hmac = key->hmac;
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, hmac.data(), hmac.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    const int has_mac = EVP_MAC_CTX_set_params(mac, params);
    wipe(hmac.data(), hmac.size());
    if (ready != 1 || has_mac != 1) return -1;
    const bool is_newest = key == parts.ticket_keys.keys.data();
    return encrypts != 0 || is_newest ? 1 : 2; // 2: with a new ticket
}

Tls::Tls(TlsContext& context, int fd) : context_(context), fd_(fd) {
    ssl_ = SSL_new(context.parts_->contexts.front().get());
    BIO* const bio = ssl_ ? BIO_new(context.parts_->method.get()) : nullptr;
    if (!bio) return; // no memory: the handshake fails
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_, bio, bio);
    SSL_set_accept_state(ssl_);
}

Tls::~Tls() {
    context_.parts_->collected.clear();
    SSL_free(ssl_);
}

Tls::Handshake Tls::handshake() {
    if (!ssl_ || !SSL_get_rbio(ssl_)) return Handshake::failed;
    if (!flush()) return errno == EAGAIN ? Handshake::wait : Handshake::failed;
    ERR_clear_error();
    const int n = SSL_do_handshake(ssl_);
    const int error = SSL_get_error(ssl_, n);
    const unsigned long reason = ERR_peek_error();
    ERR_clear_error();
    // No record of TLS begins with a letter. (OpenSSL knows four of the methods.)
    if (error == SSL_ERROR_SSL && first_byte_ >= 'A' && first_byte_ <= 'Z') {
        context_.parts_->collected.clear(); // an alert would be no answer to it
        failure_ = TlsFailure::clear_text;
        return Handshake::clear_text;
    }
    const bool sent = send_collected();
    if (n == 1) {
        in_handshake_ = false;
        return Handshake::done;
    }
    if (error == SSL_ERROR_WANT_READ && (sent || errno == EAGAIN)) return Handshake::wait;
    failure_ =
        end_was_seen_ || error == SSL_ERROR_SYSCALL ? TlsFailure::closed : failure_of(reason);
    return Handshake::failed;
}

TlsFacts Tls::facts() const {
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &protocol, &size);
    const char* const name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
    return {.version = SSL_get_version(ssl_),
            .cipher = SSL_get_cipher_name(ssl_),
            .server_name = name ? name : "",
            .resumed = SSL_session_reused(ssl_) == 1,
            .http2 = size == 2};
}

std::shared_ptr<const std::vector<std::string>> Tls::client_names() const {
    X509* const certificate = SSL_get0_peer_certificate(ssl_);
    if (!certificate) return nullptr;
    auto names = std::make_shared<std::vector<std::string>>();
    const auto add = [&](const ASN1_STRING* text) {
        unsigned char* utf8 = nullptr;
        const int size = text ? ASN1_STRING_to_UTF8(&utf8, text) : -1;
        if (size > 0)
            names->emplace_back(reinterpret_cast<char*>(utf8), static_cast<std::size_t>(size));
        if (size >= 0) OPENSSL_free(utf8);
    };
    const X509_NAME* const subject = X509_get_subject_name(certificate);
    for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
        add(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    auto* const others = static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(others); ++i) {
        const GENERAL_NAME* const other = sk_GENERAL_NAME_value(others, i);
        if (other->type == GEN_DNS || other->type == GEN_EMAIL || other->type == GEN_URI)
            add(other->d.ia5);
    }
    GENERAL_NAMES_free(others);
    ERR_clear_error();
    return names;
}

ssize_t Tls::read(std::span<char> room) {
    ERR_clear_error();
    std::size_t n = 0;
    const int result = SSL_read_ex(ssl_, room.data(), room.size(), &n);
    const int saved = errno;
    const int error = SSL_get_error(ssl_, result);
    ERR_clear_error();
    if (!context_.parts_->collected.empty()) send_collected(); // an answer to a key update
    if (result == 1) return static_cast<ssize_t>(n + read_what_has_come(room.subspan(n)));
    switch (error) {
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_WANT_READ: errno = EAGAIN; return -1;
    default:
        forget_end();
        if (end_was_seen_) return 0; // of the connection; a request that it cuts is none
        errno = error == SSL_ERROR_SYSCALL && saved != 0 && saved != EAGAIN ? saved : EPROTO;
        return -1;
    }
}

// Of records that came with the one that was read. An error shows again with the next read.
std::size_t Tls::read_what_has_come(std::span<char> room) {
    std::size_t sum = 0;
    while (sum < room.size() && drained_ && SSL_has_pending(ssl_) == 1) {
        std::size_t n = 0;
        if (SSL_read_ex(ssl_, room.data() + sum, room.size() - sum, &n) != 1) break;
        sum += n;
    }
    ERR_clear_error();
    return sum;
}

bool Tls::may_have_more() const {
    return !drained_ || SSL_has_pending(ssl_) == 1;
}

std::size_t Tls::record_size() {
    const std::uint64_t now_ms = coarse_ms();
    if (now_ms - written_ms_ >= kPauseMs) burst_ = 0;
    written_ms_ = now_ms;
    return burst_ < kFirstBytes ? kFirstRecords : kRecordBytes;
}

ssize_t Tls::encrypt(const char* bytes, std::size_t size) {
    ERR_clear_error();
    std::size_t n = 0;
    if (SSL_write_ex(ssl_, bytes, size, &n) == 1) return static_cast<ssize_t>(n);
    ERR_clear_error();
    forget_end();
    errno = EPIPE;
    return -1;
}

ssize_t Tls::write(std::span<const iovec> vectors) {
    if (!flush()) return -1;
    auto& record = context_.parts_->record;
    std::size_t taken = 0;
    std::size_t i = 0;
    std::size_t skip = 0; // of vectors[i]
    while (i < vectors.size()) {
        const std::size_t most = record_size();
        const std::vector<char>& collected = context_.parts_->collected;
        while (collected.size() < kCollectedBytes && i < vectors.size()) {
            const char* bytes = static_cast<const char*>(vectors[i].iov_base) + skip;
            std::size_t size = std::min(vectors[i].iov_len - skip, most);
            const bool is_whole = size == most || i + 1 == vectors.size();
            if (is_whole) {
                skip += size;
            } else { // several go into one record
                size = 0;
                bytes = record.data();
                while (size < most && i < vectors.size()) {
                    const std::size_t part = std::min(vectors[i].iov_len - skip, most - size);
                    std::memcpy(record.data() + size,
                                static_cast<const char*>(vectors[i].iov_base) + skip, part);
                    size += part;
                    skip += part;
                    if (skip < vectors[i].iov_len) break;
                    ++i;
                    skip = 0;
                }
            }
            while (i < vectors.size() && skip == vectors[i].iov_len) {
                ++i;
                skip = 0;
            }
            if (size == 0) continue;
            if (encrypt(bytes, size) < 0) return -1;
            taken += size;
            burst_ += size;
        }
        // What is held back now was taken; an error shows with the next call.
        if (!send_collected()) break;
    }
    return static_cast<ssize_t>(taken);
}

// What there is no room for is held back.
bool Tls::send_collected() {
    std::vector<char>& collected = context_.parts_->collected;
    if (collected.empty()) return true;
    if (holds_back()) {
        held_.insert(held_.end(), collected.begin(), collected.end());
        collected.clear();
        return flush();
    }
    const ssize_t n =
        quick_send(fd_, collected.data(), collected.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    const int error = errno;
    const auto sent = static_cast<std::ptrdiff_t>(std::max<ssize_t>(n, 0));
    const bool all = sent == static_cast<std::ptrdiff_t>(collected.size());
    if (!all) {
        held_.assign(collected.begin() + sent, collected.end());
        held_sent_ = 0;
    }
    collected.clear();
    errno = n < 0 ? error : EAGAIN;
    return all;
}

bool Tls::flush() {
    while (holds_back()) {
        const ssize_t n = quick_send(fd_, held_.data() + held_sent_, held_.size() - held_sent_,
                                     MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        held_sent_ += static_cast<std::size_t>(n);
    }
    if (held_.capacity() > 0) std::vector<char>().swap(held_);
    held_sent_ = 0;
    return true;
}

void Tls::end() {
    if (!ssl_ || in_handshake_) return;
    ERR_clear_error();
    SSL_shutdown(ssl_);
    ERR_clear_error();
    send_collected();
}

void Tls::forget_end() {
    SSL_set_quiet_shutdown(ssl_, 1);
}

} // namespace fsrv::wire
