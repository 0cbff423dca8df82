#include "tests/support/http2_client.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

namespace fsrv::test {
namespace {

constexpr std::size_t kFrameHead = 9;

std::uint32_t number_at(std::string_view bytes, std::size_t at, std::size_t count = 4) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i)
        value = value * 256 + static_cast<unsigned char>(bytes[at + i]);
    return value;
}

SSL_CTX* tls_context() {
    static SSL_CTX* const context = [] {
        SSL_CTX* const made = SSL_CTX_new(TLS_client_method());
        static const unsigned char kProtocols[] = "\2h2\10http/1.1";
        SSL_CTX_set_alpn_protos(made, kProtocols, sizeof kProtocols - 1);
        return made;
    }();
    return context;
}

} // namespace

std::string Http2Answer::field(std::string_view name) const {
    for (const auto& [key, value] : fields)
        if (key == name) return value;
    return "";
}

Http2Client::Http2Client(std::uint16_t port, const Http2Setup& setup)
    : setup_(setup),
      raw_(setup.unix_path.empty() ? RawClient(port, {.receive_buffer = setup.receive_buffer})
                                   : RawClient(setup.unix_path)) {
    nghttp2_hd_inflate_new(&inflater_);
    if (!raw_.connected() || (setup.tls && !begin_tls())) return;
    connected_ =
        send(std::string(h2::kPreface) + h2::settings({{h2::kInitialWindow, setup.window}}) +
             h2::window_update(0, 1U << 30));
}

Http2Client::~Http2Client() {
    nghttp2_hd_inflate_del(inflater_);
    SSL_free(ssl_);
}

bool Http2Client::begin_tls() {
    ssl_ = SSL_new(tls_context());
    SSL_set_fd(ssl_, raw_.fd());
    SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    static char name[] = "localhost"; // the macro would cast as C does
    SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name);
    if (SSL_connect(ssl_) != 1) return false; // blocks, as the socket does
    ::fcntl(raw_.fd(), F_SETFL, ::fcntl(raw_.fd(), F_GETFL) | O_NONBLOCK);
    return protocol() == "h2";
}

std::string Http2Client::protocol() const {
    const unsigned char* name = nullptr;
    unsigned length = 0;
    if (ssl_) SSL_get0_alpn_selected(ssl_, &name, &length);
    return {reinterpret_cast<const char*>(name), length};
}

bool Http2Client::send(std::string_view frames, const Deadline& deadline) {
    if (!ssl_) return raw_.send(frames, deadline);
    while (!frames.empty()) {
        const int n = SSL_write(ssl_, frames.data(), static_cast<int>(frames.size()));
        if (n > 0) {
            frames.remove_prefix(static_cast<std::size_t>(n));
            continue;
        }
        const int want = SSL_get_error(ssl_, n);
        if (want != SSL_ERROR_WANT_WRITE && want != SSL_ERROR_WANT_READ) return false;
        if (!await_fd(raw_.fd(), want == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN, deadline))
            return false;
    }
    return true;
}

std::uint32_t Http2Client::next_stream() {
    return std::exchange(next_stream_, next_stream_ + 2);
}

std::uint32_t Http2Client::get(std::string_view path, const h2::Fields& more,
                               std::string_view method) {
    const std::uint32_t stream = next_stream();
    send(h2::request(stream, path, more, method));
    return stream;
}

bool Http2Client::fill(const Deadline& deadline) {
    if (end_ != Got::nothing) return false;
    buffer_.erase(0, std::exchange(taken_, 0));
    char bytes[65536];
    while (true) {
        ssize_t n = 0;
        bool waits = false;
        if (ssl_) {
            n = SSL_read(ssl_, bytes, sizeof bytes);
            const int error = SSL_get_error(ssl_, static_cast<int>(n));
            waits = n <= 0 && error == SSL_ERROR_WANT_READ;
            if (n <= 0 && error == SSL_ERROR_ZERO_RETURN) n = 0;
        } else {
            n = ::recv(raw_.fd(), bytes, sizeof bytes, MSG_DONTWAIT);
            waits = n < 0 && errno == EAGAIN;
        }
        if (n > 0) {
            buffer_.append(bytes, static_cast<std::size_t>(n));
            return true;
        }
        if (!waits) {
            end_ = n == 0 ? Got::fin : Got::rst;
            return false;
        }
        if (!await_fd(raw_.fd(), POLLIN, deadline)) return false;
    }
}

bool Http2Client::read(const Deadline& deadline) {
    const auto have = [this] { return buffer_.size() - taken_; };
    while (have() < kFrameHead || have() < kFrameHead + number_at(buffer_, taken_, 3))
        if (!fill(deadline)) return false;
    const std::string_view at = std::string_view(buffer_).substr(taken_);
    const std::size_t length = number_at(at, 0, 3);
    taken_ += kFrameHead + length;
    take(static_cast<std::uint8_t>(at[3]), static_cast<std::uint8_t>(at[4]),
         number_at(at, 5) & 0x7fffffff, at.substr(kFrameHead, length));
    return true;
}

void Http2Client::take(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                       std::string_view payload) {
    Http2Answer& answer = answers_[stream];
    switch (type) {
    case h2::kData:
        EXPECT_NE(answer.status, 0) << "a body without a head";
        EXPECT_FALSE(answer.whole) << "bytes behind the end";
        received_[stream] += payload.size();
        if (setup_.keeps_bodies) answer.body += payload;
        break;
    case h2::kHeaders:
    case h2::kContinuation:
        head_ += payload;
        if ((flags & h2::kEndHeaders) != 0) take_head(stream, std::exchange(head_, {}));
        break;
    case h2::kResetStream: answer.reset = number_at(payload, 0); break;
    case h2::kSettings:
        if ((flags & h2::kAck) == 0) send(h2::frame(h2::kSettings, h2::kAck, 0));
        break;
    case h2::kPing: pings_ += (flags & h2::kAck) != 0 ? 1 : 0; break;
    case h2::kGoaway:
        goaways_.push_back({.last_stream = number_at(payload, 0), .error = number_at(payload, 4)});
        break;
    default: break;
    }
    const bool may_end = type == h2::kData || type == h2::kHeaders;
    if (may_end && (flags & h2::kEndStream) != 0) answer.whole = true;
}

void Http2Client::take_head(std::uint32_t stream, std::string_view payload) {
    Http2Answer& answer = answers_[stream];
    auto* at = reinterpret_cast<const std::uint8_t*>(payload.data());
    std::size_t left = payload.size();
    while (true) {
        nghttp2_nv field{};
        int flags = 0;
        const ssize_t n = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, at, left, 1);
        if (n < 0) {
            ADD_FAILURE() << "HPACK: " << nghttp2_strerror(static_cast<int>(n));
            return;
        }
        at += n;
        left -= static_cast<std::size_t>(n);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
            answer.fields.emplace_back(
                std::string(reinterpret_cast<const char*>(field.name), field.namelen),
                std::string(reinterpret_cast<const char*>(field.value), field.valuelen));
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    answer.status = std::atoi(answer.field(":status").c_str());
}

bool Http2Client::await(std::uint32_t stream, const Deadline& deadline) {
    while (!of(stream).over())
        if (!read(deadline)) return false;
    return true;
}

Got Http2Client::await_end(const Deadline& deadline) {
    while (read(deadline)) {
    }
    return end_;
}

Http2Answer Http2Client::ask(std::string_view path, const h2::Fields& more,
                             std::string_view method) {
    const std::uint32_t stream = get(path, more, method);
    EXPECT_TRUE(await(stream)) << path << ": " << got_name(end_);
    return of(stream);
}

} // namespace fsrv::test
