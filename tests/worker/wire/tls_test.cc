// Tls and Transport on the server's side, OpenSSL on the client's. The client's bytes pass through
// the test, which says how many of them, and when.
#include "worker/wire/tls.h"

#include "common/ticket_keys.h"
#include "common/unique_fd.h"
#include "tests/support/await.h"
#include "tests/support/certificates.h"
#include "tests/support/files.h"
#include "worker/wire/transport.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <optional>
#include <poll.h>
#include <sys/socket.h>

namespace fsrv::wire {
namespace {

using test::await_fd;
using test::Certificate;
using test::KeyKind;
using test::make_certificate;

template <auto* Free>
struct Freed {
    template <class T>
    void operator()(T* thing) const {
        Free(thing);
    }
};
using CtxPtr = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freed<SSL_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, Freed<SSL_SESSION_free>>;
using CertPtr = std::unique_ptr<X509, Freed<X509_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free>>;

constexpr std::uint64_t kHour = limits::kTicketRotationMs;
constexpr std::size_t kAll = SIZE_MAX;

struct ClientSpec {
    int version = 0; // TLS1_2_VERSION ...; 0: as the two agree
    std::string server_name = {};
    std::string protocols = {};       // ALPN, each with its length before it
    const Certificate* own = nullptr; // to prove who it is
    SSL_SESSION* resumes = nullptr;
    const char* signatures = nullptr; // that it takes
    const char* ciphers = nullptr;    // of TLS 1.2
    bool trusts_nobody = false;       // refuses every certificate
};

class Client final {
  public:
    Client(UniqueFd fd, const ClientSpec& spec) : fd_(std::move(fd)) {
        ctx_.reset(SSL_CTX_new(TLS_client_method()));
        if (spec.version != 0) {
            SSL_CTX_set_min_proto_version(ctx_.get(), spec.version);
            SSL_CTX_set_max_proto_version(ctx_.get(), spec.version);
        }
        if (spec.ciphers) SSL_CTX_set_cipher_list(ctx_.get(), spec.ciphers);
        if (spec.trusts_nobody) SSL_CTX_set_verify(ctx_.get(), SSL_VERIFY_PEER, nullptr);
        ssl_.reset(SSL_new(ctx_.get()));
        if (spec.own) prove(*spec.own);
        if (!spec.server_name.empty()) name_server(spec.server_name);
        if (!spec.protocols.empty()) {
            SSL_set_alpn_protos(ssl_.get(),
                                reinterpret_cast<const unsigned char*>(spec.protocols.data()),
                                static_cast<unsigned>(spec.protocols.size()));
        }
        if (spec.signatures) SSL_set1_sigalgs_list(ssl_.get(), spec.signatures);
        if (spec.resumes) SSL_set_session(ssl_.get(), spec.resumes);
        SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_connect_state(ssl_.get());
    }

    bool shake() { // true: it is done on this side
        ERR_clear_error();
        const int n = SSL_do_handshake(ssl_.get());
        if (n == 1) return true;
        if (SSL_get_error(ssl_.get(), n) == SSL_ERROR_SSL)
            error_ = ERR_GET_REASON(ERR_peek_error());
        return false;
    }
    int error() const { return error_; } // of the handshake, OpenSSL's SSL_R_; 0: none
    // So many of the bytes that it wants to say. False: there were none.
    bool send(std::size_t most = kAll) {
        std::string bytes(std::min<std::size_t>(most, BIO_ctrl_pending(SSL_get_wbio(ssl_.get()))),
                          '\0');
        if (bytes.empty()) return false;
        BIO_read(SSL_get_wbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
        EXPECT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
        return true;
    }
    // What has come of the server, up to so many bytes.
    std::size_t take(std::size_t most = kAll) {
        std::size_t all = 0;
        std::array<char, 64 * 1024> room{};
        while (all < most) {
            const ssize_t n =
                ::recv(fd_.get(), room.data(), std::min(room.size(), most - all), MSG_DONTWAIT);
            if (n == 0) ended_ = true;
            if (n < 0 && errno == ECONNRESET) reset_ = true;
            if (n <= 0) break;
            BIO_write(SSL_get_rbio(ssl_.get()), room.data(), static_cast<int>(n));
            raw_.append(room.data(), static_cast<std::size_t>(n));
            all += static_cast<std::size_t>(n);
        }
        return all;
    }
    void say(std::string_view text) {
        std::size_t n = 0;
        EXPECT_EQ(SSL_write_ex(ssl_.get(), text.data(), text.size(), &n), 1);
        send();
    }
    // All that came, and so much at least, unless it ends before.
    std::string hear(std::size_t least = 0) {
        std::string all;
        do {
            if (least > 0 && !await_fd(fd_.get(), POLLIN)) break;
            take();
            std::array<char, 16 * 1024> room{};
            std::size_t n = 0;
            while (SSL_read_ex(ssl_.get(), room.data(), room.size(), &n) == 1)
                all.append(room.data(), n);
            if (SSL_get_error(ssl_.get(), 0) == SSL_ERROR_ZERO_RETURN) announced_ = true;
            ERR_clear_error();
        } while (all.size() < least && !ended_ && !reset_);
        return all;
    }
    void await_end() {
        while (!ended_ && !reset_ && await_fd(fd_.get(), POLLIN)) take();
        hear();
    }
    bool was_reset() const { return reset_; }
    bool end_was_announced() const { return announced_; } // by close_notify
    std::string& raw() { return raw_; }
    SSL* ssl() { return ssl_.get(); }
    int fd() const { return fd_.get(); }
    // A copy, since one whose connection ends unannounced is no good to OpenSSL.
    SessionPtr session() const { return SessionPtr(SSL_SESSION_dup(SSL_get0_session(ssl_.get()))); }
    bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
    std::string server() const { // the name in its certificate, and the kind of its key
        const CertPtr certificate(SSL_get1_peer_certificate(ssl_.get()));
        if (!certificate) return "none";
        char name[64] = "";
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name,
                                  sizeof name);
        return std::string(name) + " " +
               OBJ_nid2sn(EVP_PKEY_get_base_id(X509_get0_pubkey(certificate.get())));
    }
    std::string protocol() const {
        const unsigned char* bytes = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(ssl_.get(), &bytes, &size);
        return {reinterpret_cast<const char*>(bytes), size};
    }

  private:
    // As SSL_set_tlsext_host_name(), whose cast is C's.
    void name_server(std::string name) {
        EXPECT_EQ(SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                           name.data()),
                  1);
    }
    void prove(const Certificate& own) {
        const BioPtr from(BIO_new_mem_buf(own.pem.data(), static_cast<int>(own.pem.size())));
        const CertPtr certificate(PEM_read_bio_X509(from.get(), nullptr, nullptr, nullptr));
        ASSERT_EQ(SSL_use_certificate(ssl_.get(), certificate.get()), 1);
        ASSERT_EQ(SSL_use_PrivateKey(ssl_.get(), own.key.get()), 1);
    }

    UniqueFd fd_;
    CtxPtr ctx_;
    SslPtr ssl_;
    std::string raw_; // all that came, as it came
    int error_ = 0;
    bool ended_ = false, reset_ = false, announced_ = false;
};

struct ServerSpec {
    std::vector<Certificate> certificates = {};
    std::string client_ca = {};
    TlsVersion least = TlsVersion::tls_1_2;
    const TicketKeyRing* tickets = nullptr;
    bool http2 = true;
};

std::unique_ptr<TlsContext> make_context(const ServerSpec& spec) {
    TlsMaterial material;
    for (const Certificate& one : spec.certificates)
        material.pairs.push_back({.chain = one.pem, .key = Secret(one.key_pem), .name = one.name});
    if (material.pairs.empty()) {
        static const Certificate any = make_certificate();
        material.pairs.push_back({.chain = any.pem, .key = Secret(any.key_pem), .name = any.name});
    }
    material.client_ca = spec.client_ca;
    material.least = spec.least;
    material.tickets = spec.tickets;
    auto context = TlsContext::make({.material = material, .http2 = spec.http2});
    EXPECT_TRUE(context) << context.error();
    return std::move(*context);
}

// Both ends of a connection over the loopback, the server's not waiting.
std::pair<UniqueFd, UniqueFd> connection() {
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener.get(), any, length), 0);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_EQ(::getsockname(listener.get(), any, &length), 0);
    UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(client.get(), any, length), 0);
    UniqueFd server(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    return {std::move(server), std::move(client)};
}

// The same without a network, and with as little room as the kernel makes.
std::pair<UniqueFd, UniqueFd> narrow_connection(int room) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    if (room > 0) ::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

class Link final {
  public:
    explicit Link(TlsContext& context, const ClientSpec& spec = {})
        : Link(context, spec, connection()) {}
    Link(TlsContext& context, const ClientSpec& spec, std::pair<UniqueFd, UniqueFd> ends)
        : fd(ends.first.get()), server(ends.first.release()), client(std::move(ends.second), spec) {
        server.speak_tls(context);
    }
    ~Link() {
        if (open) server.close();
    }
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    // With so many of the client's bytes, and of the server's, at a time.
    Tls::Handshake shake(std::size_t piece = kAll) {
        auto state = Tls::Handshake::wait;
        bool done = false;
        while (state == Tls::Handshake::wait || (state == Tls::Handshake::done && !done)) {
            done = client.shake();
            const bool sent = client.send(piece);
            if (state == Tls::Handshake::wait) state = server.tls()->handshake();
            const bool took = client.take(piece) > 0;
            if (!sent && !took && !done) await_either(POLLIN);
            if (client.error() != 0 && state == Tls::Handshake::done) break;
        }
        return state;
    }
    // Something has come, or the server has room.
    void await_either(short server_events) {
        std::array<pollfd, 2> both{pollfd{.fd = fd, .events = server_events, .revents = 0},
                                   pollfd{.fd = client.fd(), .events = POLLIN, .revents = 0}};
        EXPECT_GT(::poll(both.data(), both.size(), 60'000), 0);
    }
    ssize_t read(std::span<char> room) { // once something has come
        EXPECT_TRUE(await_fd(fd, POLLIN));
        return server.read(room);
    }
    // One byte each way, and with it the tickets.
    void talk() {
        EXPECT_EQ(server.write("s"), 1);
        EXPECT_EQ(client.hear(1), "s");
        client.say("c");
        std::array<char, 16> room{};
        EXPECT_EQ(read(room), 1);
    }
    TlsFacts facts() const { return server.tls()->facts(); }

    const int fd; // the server's
    Transport server;
    Client client;
    bool open = true;
};

const struct {
    int number;
    std::string_view name;
} kVersions[] = {{TLS1_2_VERSION, "TLSv1.2"}, {TLS1_3_VERSION, "TLSv1.3"}};

TEST(TlsHandshake, IsDoneInEitherVersionHoweverItsBytesArrive) {
    const auto context = make_context({});
    for (const auto& [number, name] : kVersions) {
        for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{300}, kAll}) {
            Link link(*context, {.version = number, .server_name = "a.example"});
            ASSERT_EQ(link.shake(piece), Tls::Handshake::done) << name << " " << piece;
            link.talk();
            EXPECT_EQ(link.facts().version, name);
            EXPECT_EQ(link.facts().server_name, "a.example");
            EXPECT_NE(link.facts().cipher, "");
            EXPECT_FALSE(link.facts().resumed);
            EXPECT_FALSE(link.facts().http2);
        }
    }
}

TEST(TlsHandshake, OfALargeChainInASmallBufferIsDone) {
    ServerSpec spec{.certificates = {make_certificate()}};
    for (int i = 0; i < 200; ++i) spec.certificates[0].pem += make_certificate().pem;
    const auto context = make_context(spec);
    for (const auto& [number, name] : kVersions) {
        Link link(*context, {.version = number}, narrow_connection(1));
        ASSERT_EQ(link.shake(1'000), Tls::Handshake::done) << name;
        link.talk();
    }
}

TEST(TlsHandshake, FailsForAReasonThatIsTold) {
    const Certificate ca = make_certificate({.name = "ca", .is_ca = true});
    const Certificate good = make_certificate({.name = "me", .issuer = &ca});
    const Certificate stranger = make_certificate({.name = "stranger"});
    const auto any = make_context({});
    const auto only_1_3 = make_context({.least = TlsVersion::tls_1_3});
    const auto asks = make_context({.client_ca = ca.pem});
    const struct {
        const char* name;
        TlsContext& context;
        ClientSpec client;
        TlsFailure failure;
    } table[] = {
        {"version", *only_1_3, {.version = TLS1_2_VERSION}, TlsFailure::version},
        {"cipher",
         *any,
         {.version = TLS1_2_VERSION, .ciphers = "AES128-SHA"},
         TlsFailure::nothing_shared},
        {"protocol", *any, {.protocols = "\3foo"}, TlsFailure::nothing_shared},
        {"no certificate", *asks, {}, TlsFailure::certificate},
        {"no certificate, 1.2", *asks, {.version = TLS1_2_VERSION}, TlsFailure::certificate},
        {"another's certificate", *asks, {.own = &stranger}, TlsFailure::certificate},
        {"refused", *any, {.trusts_nobody = true}, TlsFailure::refused},
        {"refused, 1.2",
         *any,
         {.version = TLS1_2_VERSION, .trusts_nobody = true},
         TlsFailure::refused},
    };
    for (const auto& [name, context, client, failure] : table) {
        Link link(context, client);
        EXPECT_EQ(link.shake(), Tls::Handshake::failed) << name;
        EXPECT_EQ(link.server.tls()->failure(), failure) << name;
    }
    Link link(*asks, {.own = &good});
    ASSERT_EQ(link.shake(), Tls::Handshake::done);
    link.talk();
}

TEST(TlsHandshake, WithOnlyUnknownProtocolsEndsByTheAlertForThat) {
    const auto context = make_context({});
    Link link(*context, {.protocols = "\3foo\6spdy/3"});
    EXPECT_EQ(link.shake(), Tls::Handshake::failed);
    link.client.shake();
    while (link.client.error() == 0 && await_fd(link.client.fd(), POLLIN)) {
        link.client.take();
        link.client.shake();
    }
    EXPECT_EQ(link.client.error(), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
}

TEST(TlsHandshake, OfAClientThatGoesAwayIsClosed) {
    const auto context = make_context({});
    for (const std::size_t said : {0U, 1U, 5U, 100U}) {
        Link link(*context);
        link.client.shake();
        if (said > 0) link.client.send(said);
        EXPECT_EQ(link.server.tls()->handshake(), Tls::Handshake::wait);
        ::shutdown(link.client.fd(), SHUT_WR);
        auto state = Tls::Handshake::wait;
        while (state == Tls::Handshake::wait && await_fd(link.fd, POLLIN))
            state = link.server.tls()->handshake();
        EXPECT_EQ(state, Tls::Handshake::failed) << said;
        EXPECT_EQ(link.server.tls()->failure(), TlsFailure::closed) << said;
    }
}

TEST(TlsHandshake, ClearTextIsRecognisedAndAnsweredWithNoByteOfTls) {
    const auto context = make_context({});
    for (const std::string_view text :
         {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /x HTTP/1.0\r\n\r\n",
          "POST / HTTP/1.1\r\n\r\n", "PUT /x HTTP/1.1\r\n\r\n", "OPTIONS * HTTP/1.1\r\n\r\n",
          "DELETE /x HTTP/1.1\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\n\r\n",
          "PROPFIND / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}) {
        for (const bool by_byte : {false, true}) {
            auto [server, client] = connection();
            Tls tls(*context, server.get());
            auto state = Tls::Handshake::wait;
            for (std::size_t i = 0; i < text.size() && state == Tls::Handshake::wait;) {
                const std::string_view piece = by_byte ? text.substr(i, 1) : text;
                ASSERT_EQ(::send(client.get(), piece.data(), piece.size(), 0),
                          static_cast<ssize_t>(piece.size()));
                i += piece.size();
                ASSERT_TRUE(await_fd(server.get(), POLLIN));
                state = tls.handshake();
            }
            EXPECT_EQ(state, Tls::Handshake::clear_text) << text;
            EXPECT_EQ(tls.failure(), TlsFailure::clear_text);
            ::shutdown(server.get(), SHUT_WR);
            char byte = 0;
            EXPECT_EQ(::recv(client.get(), &byte, 1, 0), 0) << text;
        }
    }
    for (const std::string_view noise :
         {std::string_view("\0\0\0\0\0\0\0\0", 8), std::string_view("ssh\r\n\r\n"),
          std::string_view("\x16\x03\x01\xff\xff\x01\x01\x01", 8)}) {
        auto [server, client] = connection();
        Tls tls(*context, server.get());
        ASSERT_GT(::send(client.get(), noise.data(), noise.size(), 0), 0);
        ASSERT_TRUE(await_fd(server.get(), POLLIN));
        EXPECT_EQ(tls.handshake(), Tls::Handshake::failed) << noise;
    }
}

TEST(TlsProtocols, TheServersOrderCountsAndHttp2IsTakenOnlyWhereItIsOffered) {
    const auto with = make_context({}), without = make_context({.http2 = false});
    const struct {
        TlsContext& context;
        std::string offered, taken;
    } table[] = {
        {*with, "\2h2\x8http/1.1", "h2"},
        {*with, "\x8http/1.1\2h2", "h2"},
        {*with, "\3foo\x8http/1.1", "http/1.1"},
        {*with, "\2h2", "h2"},
        {*with, "", ""},
        {*without, "\2h2\x8http/1.1", "http/1.1"},
        {*without, "\x8http/1.0\x8http/1.1", "http/1.1"},
    };
    for (const auto& [context, offered, taken] : table) {
        Link link(context, {.protocols = offered});
        ASSERT_EQ(link.shake(), Tls::Handshake::done) << offered;
        EXPECT_EQ(link.client.protocol(), taken) << offered;
        EXPECT_EQ(link.facts().http2, taken == "h2") << offered;
    }
}

TEST(TlsCertificates, TheNameThatIsAskedForAndTheKeysThatTheClientKnowsDecide) {
    const auto context = make_context(
        {.certificates = {
             make_certificate({.name = "first", .hosts = {"DNS:a.example", "DNS:b.example"}}),
             make_certificate({.name = "star", .hosts = {"DNS:*.star.example"}}),
             make_certificate({.name = "old",
                               .kind = KeyKind::rsa2048,
                               .hosts = {"DNS:a.example", "DNS:b.example"}}),
             make_certificate(
                 {.name = "other", .kind = KeyKind::rsa2048, .hosts = {"DNS:other.example"}}),
         }});
    const char* const only_rsa = "RSA-PSS+SHA256:RSA+SHA256";
    const char* const only_ecdsa = "ECDSA+SHA256";
    const struct {
        std::string name;
        const char* signatures;
        std::string server;
    } table[] = {
        {"a.example", nullptr, "first id-ecPublicKey"},
        {"b.example", only_ecdsa, "first id-ecPublicKey"},
        {"A.Example", nullptr, "first id-ecPublicKey"},
        {"a.example", only_rsa, "old rsaEncryption"},
        {"b.example", only_rsa, "old rsaEncryption"},
        {"", nullptr, "first id-ecPublicKey"},
        {"", only_rsa, "old rsaEncryption"},
        {"unknown.example", nullptr, "first id-ecPublicKey"},
        {"x.star.example", nullptr, "star id-ecPublicKey"},
        {"x.y.star.example", nullptr, "first id-ecPublicKey"},
        {"other.example", nullptr, "other rsaEncryption"},
    };
    for (const auto& [number, version] : kVersions) {
        for (const auto& [name, signatures, server] : table) {
            Link link(*context, {.version = number, .server_name = name, .signatures = signatures});
            ASSERT_EQ(link.shake(), Tls::Handshake::done) << name;
            EXPECT_EQ(link.client.server(), server) << name << " " << version;
            EXPECT_EQ(link.facts().server_name, name);
        }
    }
}

SessionPtr session_with(TlsContext& context, int version) {
    Link link(context, {.version = version});
    EXPECT_EQ(link.shake(), Tls::Handshake::done);
    link.talk();
    return link.client.session();
}
// Whether it was resumed there, and the session to resume next.
std::pair<bool, SessionPtr> resume(TlsContext& context, int version, SSL_SESSION* session) {
    Link link(context, {.version = version, .resumes = session});
    EXPECT_EQ(link.shake(), Tls::Handshake::done);
    link.talk();
    EXPECT_EQ(link.facts().resumed, link.client.resumed());
    return {link.facts().resumed, link.client.session()};
}
std::string key_name(const SSL_SESSION* session) {
    const unsigned char* ticket = nullptr;
    std::size_t size = 0;
    SSL_SESSION_get0_ticket(session, &ticket, &size);
    return {reinterpret_cast<const char*>(ticket), std::min<std::size_t>(size, 16)};
}
std::string newest_name(const TicketKeys& keys) {
    const TicketKeySet set = keys.keys();
    return {reinterpret_cast<const char*>(set.keys[0].name.data()), 16};
}

TEST(TlsTickets, ResumeWhereverTheKeysAreTheSame) {
    TicketKeys keys, others;
    keys.open(1000);
    others.open(1000);
    const auto first = make_context({.tickets = keys.ring()});
    const auto second = make_context({.tickets = keys.ring()}); // another worker's, or generation's
    const auto foreign = make_context({.tickets = others.ring()});
    for (const auto& [number, name] : kVersions) {
        const SessionPtr session = session_with(*first, number);
        EXPECT_TRUE(resume(*second, number, session_with(*first, number).get()).first) << name;
        EXPECT_FALSE(resume(*foreign, number, session_with(*first, number).get()).first) << name;
        EXPECT_TRUE(resume(*first, number, session.get()).first) << name;
    }
}

// Else who had one from before the clients needed certificates would never need one.
TEST(TlsTickets, AreNoGoodWhereOtherClientsAreWelcome) {
    const Certificate ca = make_certificate({.name = "ca", .is_ca = true});
    const Certificate other = make_certificate({.name = "other", .is_ca = true});
    const Certificate mine = make_certificate({.name = "me", .issuer = &ca});
    TicketKeys keys;
    keys.open(1000);
    const auto open_to_all = make_context({.tickets = keys.ring()});
    const auto of_ca = make_context({.client_ca = ca.pem, .tickets = keys.ring()});
    const auto of_ca_too = make_context({.client_ca = ca.pem, .tickets = keys.ring()});
    const auto of_other = make_context({.client_ca = other.pem, .tickets = keys.ring()});
    for (const auto& [number, name] : kVersions) {
        const auto begin = [&, version = number](TlsContext& context) {
            Link link(context, {.version = version, .own = &mine});
            EXPECT_EQ(link.shake(), Tls::Handshake::done);
            link.talk();
            return link.client.session();
        };
        const auto ends = [&, version = number](TlsContext& context, SSL_SESSION* session) {
            Link link(context, {.version = version, .resumes = session});
            const Tls::Handshake end = link.shake();
            return end == Tls::Handshake::done && link.facts().resumed;
        };
        EXPECT_FALSE(ends(*of_ca, begin(*open_to_all).get())) << name;
        EXPECT_FALSE(ends(*of_other, begin(*of_ca).get())) << name;
        EXPECT_TRUE(ends(*of_ca_too, begin(*of_ca).get())) << name << ": it was proved before";
    }
}

TEST(TlsTickets, OfAnOlderKeyResumeAndAreReplacedUntilItIsForgotten) {
    for (const auto& [number, name] : kVersions) {
        TicketKeys keys;
        keys.open(1000);
        const auto context = make_context({.tickets = keys.ring()});
        const SessionPtr old = session_with(*context, number);
        EXPECT_EQ(key_name(old.get()), newest_name(keys)) << name;
        for (unsigned hour = 1; hour < limits::kTicketKeys; ++hour) {
            keys.rotate_if_due(1000 + hour * kHour);
            const SessionPtr kept(SSL_SESSION_dup(old.get()));
            const auto [resumed, next] = resume(*context, number, kept.get());
            EXPECT_TRUE(resumed) << name << " after " << hour << " h";
            EXPECT_EQ(key_name(next.get()), newest_name(keys)) << name << " after " << hour << " h";
        }
        keys.rotate_if_due(1000 + limits::kTicketKeys * kHour);
        EXPECT_FALSE(resume(*context, number, old.get()).first) << name;
    }
}

// With buffers so small that most of it waits for room.
TEST(TlsWrite, LosesAndDoublesNothingWhateverTheSocketHasRoomFor) {
    const auto context = make_context({});
    const struct {
        std::size_t size;
        std::vector<std::size_t> cuts; // of the vectors, over and over
        int buffer;
    } table[] = {
        {1, {1}, 1},
        {1'349, {1, 1'348}, 1},
        {1'351, {1'350, 1}, 1},
        {20'000, {0, 3, 0, 19'000}, 1},
        {65'537, {16'384}, 1},
        {300'000, {1, 2, 3, 5, 7, 11, 13, 4'096, 16'385}, 1},
        {1 << 20, {100'000, 1, 65'536}, 8'192},
        {5 << 20, {256 * 1024}, 65'536},
        {5 << 20, {333, 17'001, 1}, 0},
    };
    for (const auto& [number, version] : kVersions) {
        for (const auto& [size, cuts, buffer] : table) {
            Link link(*context, {.version = number}, narrow_connection(buffer));
            ASSERT_EQ(link.shake(), Tls::Handshake::done);
            ASSERT_TRUE(link.server.flush());
            const std::string bytes = test::pattern(0, size);
            std::string heard;
            std::size_t sent = 0, refused = 0;
            while (sent < size) {
                std::vector<iovec> vectors;
                std::size_t at = sent;
                for (std::size_t i = 0; i < 16 && at < size; ++i) {
                    const std::size_t part = std::min(cuts[i % cuts.size()], size - at);
                    vectors.push_back(to_vector(std::string_view(bytes).substr(at, part)));
                    at += part;
                }
                const ssize_t n = link.server.write(vectors, false);
                if (n < 0) {
                    ASSERT_EQ(errno, EAGAIN);
                    ASSERT_TRUE(link.server.tls()->holds_back());
                    ++refused;
                    link.await_either(POLLOUT);
                    heard += link.client.hear();
                } else {
                    ASSERT_LE(sent + static_cast<std::size_t>(n), at);
                    ASSERT_GT(n, 0);
                    sent += static_cast<std::size_t>(n);
                }
            }
            while (!link.server.flush()) {
                ASSERT_EQ(errno, EAGAIN);
                link.await_either(POLLOUT);
                heard += link.client.hear();
            }
            heard += link.client.hear(size - heard.size());
            ASSERT_EQ(heard.size(), size) << version;
            EXPECT_TRUE(test::is_pattern(heard, 0, size)) << version << " " << size;
            if (size > 200'000 && buffer == 1) {
                EXPECT_GT(refused, 0U) << "nothing had to wait";
            }
        }
    }
}

TEST(TlsWrite, HoldsBackNoMoreThanItSays) {
    const auto context = make_context({});
    Link link(*context, {}, narrow_connection(1));
    ASSERT_EQ(link.shake(), Tls::Handshake::done);
    const std::string bytes = test::pattern(0, 1 << 20);
    std::size_t sent = 0;
    ssize_t n = 0;
    while ((n = link.server.write(std::string_view(bytes).substr(sent))) > 0)
        sent += static_cast<std::size_t>(n);
    EXPECT_EQ(errno, EAGAIN);
    const std::size_t before = link.client.take();
    std::size_t held = 0;
    while (!link.server.flush()) {
        link.await_either(POLLOUT);
        held += link.client.take();
    }
    EXPECT_GT(before, 0U);
    EXPECT_LE(held, Tls::kMostHeldBack);
    EXPECT_EQ(link.client.hear(sent), bytes.substr(0, sent));
}

// Payloads of the records in what came.
std::vector<std::size_t> records(std::string_view raw) {
    std::vector<std::size_t> sizes;
    while (raw.size() >= 5) {
        const std::size_t size =
            static_cast<unsigned char>(raw[3]) * 256U + static_cast<unsigned char>(raw[4]);
        sizes.push_back(size);
        raw.remove_prefix(std::min(raw.size(), size + 5));
    }
    return sizes;
}

TEST(TlsWrite, RecordsFitIntoAPacketAtFirstAndAreAsLargeAsTheyMayBeLater) {
    const auto context = make_context({});
    for (const auto& [number, version] : kVersions) {
        Link link(*context, {.version = number});
        ASSERT_EQ(link.shake(), Tls::Handshake::done);
        link.talk();
        link.client.raw().clear();
        const std::string bytes = test::pattern(0, 400'000);
        std::size_t sent = 0, heard = 0;
        while (sent < bytes.size()) {
            const ssize_t n = link.server.write(std::string_view(bytes).substr(sent));
            if (n > 0) sent += static_cast<std::size_t>(n);
            heard += link.client.hear().size();
        }
        while (!link.server.flush()) link.await_either(POLLOUT);
        heard += link.client.hear(bytes.size() - heard).size();
        EXPECT_EQ(heard, bytes.size());
        std::size_t position = 0;
        const std::vector<std::size_t> all = records(link.client.raw());
        for (std::size_t i = 0; i + 1 < all.size(); position += all[i++]) {
            if (position < 30'000) {
                EXPECT_LE(all[i] + 5, 1'400U) << version << " at " << position;
            }
            if (position > 64'000) {
                EXPECT_GE(all[i], Tls::kRecordBytes) << version << " at " << position;
            }
        }
    }
}

TEST(TlsEnd, IsAnnouncedWhereItIsNoResetAndNothingIsLostBeforeIt) {
    const auto context = make_context({});
    for (const auto& [number, version] : kVersions) {
        for (const std::string_view how : {"finish", "close", "reset"}) {
            Link link(*context, {.version = number});
            ASSERT_EQ(link.shake(), Tls::Handshake::done);
            link.talk();
            ASSERT_EQ(link.server.write("the last words"), 14);
            if (how == "finish") {
                EXPECT_TRUE(link.server.finish());
            }
            if (how == "close") link.server.close();
            if (how == "reset") link.server.reset();
            link.open = how == "finish";
            if (how == "reset") {
                link.client.await_end();
                EXPECT_TRUE(link.client.was_reset()) << version;
                EXPECT_FALSE(link.client.end_was_announced()) << version;
            } else {
                EXPECT_EQ(link.client.hear(14), "the last words") << version << how;
                link.client.await_end();
                EXPECT_TRUE(link.client.end_was_announced()) << version << how;
                EXPECT_FALSE(link.client.was_reset()) << version << how;
            }
        }
    }
}

TEST(TlsEnd, IsNotAnnouncedByAHandshakeThatIsNotDone) {
    const auto context = make_context({});
    Link link(*context);
    link.client.shake();
    link.client.send(50);
    EXPECT_EQ(link.server.tls()->handshake(), Tls::Handshake::wait);
    link.server.close();
    link.open = false;
    link.client.await_end();
    EXPECT_EQ(link.client.raw(), "");
}

TEST(TlsEnd, OfTheClientIsTheEndAnnouncedOrNot) {
    const auto context = make_context({});
    for (const bool announced : {true, false}) {
        Link link(*context);
        ASSERT_EQ(link.shake(), Tls::Handshake::done);
        link.talk();
        link.client.say("bye");
        if (announced) SSL_shutdown(link.client.ssl());
        link.client.send();
        ::shutdown(link.client.fd(), SHUT_WR);
        std::array<char, 16> room{};
        EXPECT_EQ(link.read(room), 3);
        EXPECT_EQ(link.read(room), 0) << announced;
        EXPECT_EQ(link.server.read(room), 0) << "and stays so";
    }
}

TEST(TlsRead, AnEdgeThatIsToldBetweenTwoReadsIsNotLost) {
    const auto context = make_context({});
    for (const auto& [number, version] : kVersions) {
        Link link(*context, {.version = number});
        ASSERT_EQ(link.shake(), Tls::Handshake::done);
        link.talk();
        std::array<char, 1'000> room{};
        EXPECT_EQ(link.server.read(room), -1);
        EXPECT_FALSE(link.server.is_ready(EPOLLIN));
        link.client.say(test::pattern(0, 1'500));
        link.server.came(EPOLLIN);
        EXPECT_EQ(link.read(room), 1'000);
        EXPECT_TRUE(link.server.is_ready(EPOLLIN)) << "OpenSSL has more";
        link.client.say("later");
        ASSERT_TRUE(await_fd(link.fd, POLLIN));
        link.server.came(EPOLLIN); // while OpenSSL has bytes: the only time it is told
        EXPECT_EQ(link.server.read(room), 500);
        EXPECT_TRUE(link.server.is_ready(EPOLLIN)) << version;
        EXPECT_EQ(link.server.read(room), 5) << version;
        EXPECT_FALSE(link.server.is_ready(EPOLLIN)) << "that was all";
    }
}

TEST(TlsRead, ARecordThatComesInPiecesIsAwaitedAndOneTamperedWithIsAnError) {
    const auto context = make_context({});
    Link link(*context);
    ASSERT_EQ(link.shake(), Tls::Handshake::done);
    link.talk();
    std::size_t n = 0;
    ASSERT_EQ(SSL_write_ex(link.client.ssl(), "abc", 3, &n), 1);
    std::array<char, 16> room{};
    while (BIO_ctrl_pending(SSL_get_wbio(link.client.ssl())) > 1) {
        link.client.send(1);
        link.server.came(EPOLLIN);
        EXPECT_EQ(link.read(room), -1);
        EXPECT_EQ(errno, EAGAIN);
        EXPECT_FALSE(link.server.is_ready(EPOLLIN));
    }
    link.client.send(1);
    EXPECT_EQ(link.read(room), 3);
    ASSERT_EQ(SSL_write_ex(link.client.ssl(), "abc", 3, &n), 1);
    std::string sealed(BIO_ctrl_pending(SSL_get_wbio(link.client.ssl())), '\0');
    BIO_read(SSL_get_wbio(link.client.ssl()), sealed.data(), static_cast<int>(sealed.size()));
    sealed.back() = static_cast<char>(sealed.back() ^ 1);
    ASSERT_GT(::send(link.client.fd(), sealed.data(), sealed.size(), 0), 0);
    EXPECT_EQ(link.read(room), -1);
    EXPECT_NE(errno, EAGAIN);
    link.server.close();
    link.open = false;
    link.client.await_end();
    EXPECT_FALSE(link.client.end_was_announced());
}

TEST(TlsRead, NewKeysAreTakenAndOldTlsIsNotRenegotiated) {
    const auto context = make_context({});
    Link link(*context, {.version = TLS1_3_VERSION});
    ASSERT_EQ(link.shake(), Tls::Handshake::done);
    link.talk();
    SSL_key_update(link.client.ssl(), SSL_KEY_UPDATE_REQUESTED);
    link.client.say("x");
    std::array<char, 16> room{};
    EXPECT_EQ(link.read(room), 1);
    link.talk();
    Link old(*context, {.version = TLS1_2_VERSION});
    ASSERT_EQ(old.shake(), Tls::Handshake::done);
    old.talk();
    SSL_renegotiate(old.client.ssl());
    SSL_do_handshake(old.client.ssl());
    old.client.send();
    EXPECT_EQ(old.read(room), -1);
    EXPECT_EQ(errno, EAGAIN) << "refused by an alert that is none of an end";
}

TEST(TlsContextTest, SaysWhichPairOpenSslDoesNotTake) {
    const Certificate one = make_certificate(), other = make_certificate();
    TlsMaterial material;
    material.pairs.push_back(
        {.chain = one.pem, .key = Secret(other.key_pem), .name = "/etc/one.pem"});
    const auto context = TlsContext::make({.material = material});
    ASSERT_FALSE(context);
    EXPECT_EQ(context.error().rfind("/etc/one.pem: ", 0), 0U) << context.error();
    EXPECT_EQ(context.error().find("PRIVATE"), std::string::npos);
}

} // namespace
} // namespace fsrv::wire
