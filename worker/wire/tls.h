// TLS on one connection, as a server (RFC 8446, RFC 5246): what Transport has inside where a port
// speaks it. The only code that knows OpenSSL's SSL. Errors of OpenSSL stay here: callers see
// bytes, errno, and why a handshake failed. Thread: the loop's.
#pragma once

#include "common/metrics.h"
#include "common/result.h"
#include "common/tls_material.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <sys/uio.h>
#include <vector>

// OpenSSL's, without its headers.
struct bio_method_st;
struct bio_st;
struct ssl_ctx_st;
struct ssl_st;

namespace fsrv::wire {

// What a worker speaks TLS with: certificates, keys, tickets, bounds. One, made before the sandbox,
// which outlives all that use it.
class TlsContext final {
  public:
    struct Config {
        const TlsMaterial& material;
        bool http2 = false; // is offered (ALPN)
        // Every client needs a certificate of --tls-client-ca; else it is asked for one.
        bool needs_certificate = true;
    };
    // An error says what OpenSSL would not take.
    static Result<std::unique_ptr<TlsContext>, std::string> make(const Config& config);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

  private:
    friend class Tls;
    struct Parts;
    TlsContext();

    std::unique_ptr<Parts> parts_;
};

// What was agreed on, for the log and the figures. Views until the connection ends.
struct TlsFacts {
    std::string_view version;     // "TLSv1.3"
    std::string_view cipher;      // "TLS_AES_256_GCM_SHA384"
    std::string_view server_name; // SNI; empty: none
    bool resumed = false;
    bool http2 = false; // the client chose it
};

class Tls final {
  public:
    // On the socket, which stays the caller's.
    Tls(TlsContext& context, int fd);
    Tls(const Tls&) = delete;
    Tls& operator=(const Tls&) = delete;
    ~Tls();

    enum class Handshake {
        done,
        wait,       // for more of the client
        clear_text, // it does not speak TLS, but begins with a capital letter, as HTTP does
        failed,     // failure() says why
    };
    // A step of it, as far as what has come goes.
    Handshake handshake();
    TlsFailure failure() const { return failure_; }
    TlsFacts facts() const;
    // Of the client's certificate: its common name, and the names of DNS, mail and URI beside it.
    // None: it has shown none.
    std::shared_ptr<const std::vector<std::string>> client_names() const;

    // As recv(2).
    ssize_t read(std::span<char> room);
    // After a read() that gave bytes: there may be more without an event of the socket's.
    bool may_have_more() const;
    void socket_has_more() { drained_ = false; } // an event told so
    // As sendmsg(2) but that what is taken may be held back, encrypted, until flush() has sent it;
    // while something is, EAGAIN. At most kMostHeldBack bytes are.
    ssize_t write(std::span<const iovec> vectors);
    bool holds_back() const { return held_sent_ < held_.size(); }
    // True: nothing is held back any more. False: errno says why.
    bool flush();
    // Says that no more will be sent (close_notify), as far as there is room for that.
    void end();
    // There is an end that was not announced: the other side is told nothing.
    void forget_end();

    static constexpr std::size_t kRecordBytes = 16 * 1024;
    static constexpr std::size_t kMostHeldBack = 50 * 1024;

  private:
    friend class TlsContext;
    struct Calls; // of OpenSSL's BIO

    ssize_t encrypt(const char* bytes, std::size_t size);
    bool send_collected();
    std::size_t read_what_has_come(std::span<char> room);
    std::size_t record_size();

    TlsContext& context_;
    ssl_st* ssl_ = nullptr;
    int fd_;
    TlsFailure failure_ = TlsFailure::other;
    bool in_handshake_ = true;
    char first_byte_ = '\0'; // that came
    bool end_was_seen_ = false;
    bool drained_ = false;         // the socket had less than there was room for
    std::uint64_t written_ms_ = 0; // last
    std::uint64_t burst_ = 0;      // bytes since the last pause, for the size of records
    std::vector<char> held_;       // what the socket had no room for
    std::size_t held_sent_ = 0;
};

} // namespace fsrv::wire
