#include "tests/support/tls_client.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

namespace fsrv::test {

TlsClient::TlsClient(std::uint16_t port, const TlsSetup& setup)
    : RawClient(port, setup.socket),
      ctx_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free),
      ssl_(SSL_new(ctx_.get()), SSL_free) {
    if (setup.version != 0) {
        const int version = setup.version == 12 ? TLS1_2_VERSION : TLS1_3_VERSION;
        SSL_set_min_proto_version(ssl_.get(), version);
        SSL_set_max_proto_version(ssl_.get(), version);
    }
    if (setup.own) {
        const std::unique_ptr<BIO, decltype(&BIO_free_all)> from(
            BIO_new_mem_buf(setup.own->pem.data(), static_cast<int>(setup.own->pem.size())),
            BIO_free_all);
        const std::unique_ptr<X509, decltype(&X509_free)> own(
            PEM_read_bio_X509(from.get(), nullptr, nullptr, nullptr), X509_free);
        SSL_use_certificate(ssl_.get(), own.get());
        SSL_use_PrivateKey(ssl_.get(), setup.own->key.get());
    }
    if (!setup.server_name.empty()) { // as SSL_set_tlsext_host_name(), whose cast is C's
        std::string name = setup.server_name;
        SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
    }
    if (!setup.protocols.empty()) {
        SSL_set_alpn_protos(ssl_.get(),
                            reinterpret_cast<const unsigned char*>(setup.protocols.data()),
                            static_cast<unsigned>(setup.protocols.size()));
    }
    if (setup.resumes) SSL_set_session(ssl_.get(), setup.resumes);
    SSL_set_connect_state(ssl_.get());
    if (!connected()) return;
    if (!setup.before.empty()) ::send(fd(), setup.before.data(), setup.before.size(), MSG_NOSIGNAL);
    ::fcntl(fd(), F_SETFL, O_NONBLOCK);
    SSL_set_fd(ssl_.get(), fd());
    shake();
}

void TlsClient::shake() {
    const Deadline deadline;
    for (;;) {
        ERR_clear_error();
        const int n = SSL_do_handshake(ssl_.get());
        shaken_ = n == 1;
        const int error = SSL_get_error(ssl_.get(), n);
        const bool waits = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
        if (!waits || !await_fd(fd(), error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline))
            break;
    }
    ERR_clear_error();
}

ssize_t TlsClient::receive(std::span<char> room) {
    ERR_clear_error();
    std::size_t n = 0;
    const int result = SSL_read_ex(ssl_.get(), room.data(), room.size(), &n);
    return result == 1 ? static_cast<ssize_t>(n) : failed(result);
}

ssize_t TlsClient::transmit(std::string_view bytes) {
    ERR_clear_error();
    std::size_t n = 0;
    SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &n);
    return result == 1 ? static_cast<ssize_t>(n) : failed(result);
}

ssize_t TlsClient::failed(int result) {
    const int saved = errno;
    const int error = SSL_get_error(ssl_.get(), result);
    const unsigned long reason = ERR_peek_error();
    ERR_clear_error();
    errno = EPROTO;
    switch (error) {
    case SSL_ERROR_ZERO_RETURN: end_was_announced_ = true; return 0;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: errno = EAGAIN; return -1;
    case SSL_ERROR_SYSCALL: errno = saved; return -1;
    default: return ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING ? 0 : -1;
    }
}

std::string TlsClient::version() const {
    return SSL_get_version(ssl_.get());
}

std::string TlsClient::certificate() const {
    const X509* const found = SSL_get0_peer_certificate(ssl_.get());
    unsigned char* bytes = nullptr;
    const int size = found ? i2d_X509(found, &bytes) : 0;
    std::string der(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(std::max(size, 0)));
    OPENSSL_free(bytes);
    return der;
}

bool TlsClient::resumed() const {
    return SSL_session_reused(ssl_.get()) == 1;
}

// A copy: one whose connection ends unannounced is no good to OpenSSL.
std::shared_ptr<ssl_session_st> TlsClient::session() const {
    return {SSL_SESSION_dup(SSL_get0_session(ssl_.get())), SSL_SESSION_free};
}

} // namespace fsrv::test
