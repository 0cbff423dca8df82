// A RawClient whose bytes go over TLS, by OpenSSL. It believes every certificate.
#pragma once

#include "tests/support/certificates.h"
#include "tests/support/raw_client.h"

#include <memory>
#include <string>

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

namespace fsrv::test {

struct TlsSetup {
    ClientSetup socket = {};
    std::string before = {};      // said in clear, first
    std::string server_name = {}; // SNI
    std::string protocols = {};   // ALPN, each with its length before it
    unsigned version = 0;         // 12, 13; 0: as the two agree
    const Certificate* own = nullptr;
    ssl_session_st* resumes = nullptr;
};

class TlsClient final : public RawClient {
  public:
    // The handshake is over, or has failed: shaken().
    explicit TlsClient(std::uint16_t port, const TlsSetup& setup = {});

    bool shaken() const { return shaken_; }
    // The server's end came by close_notify.
    bool end_was_announced() const { return end_was_announced_; }
    std::string version() const;     // "TLSv1.3"
    std::string certificate() const; // the server's, DER
    bool resumed() const;
    // To resume later; of TLS 1.3 there is one once something was read.
    std::shared_ptr<ssl_session_st> session() const;

  private:
    ssize_t receive(std::span<char> room) override;
    ssize_t transmit(std::string_view bytes) override;
    void shake();
    ssize_t failed(int result);

    std::shared_ptr<ssl_ctx_st> ctx_;
    std::shared_ptr<ssl_st> ssl_;
    bool shaken_ = false, end_was_announced_ = false;
};

} // namespace fsrv::test
