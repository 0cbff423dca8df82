#include "tests/support/raw_client.h"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace fsrv::test {

namespace {
constexpr std::size_t kMaxHead = 1 << 20;
}

RawClient::RawClient(std::uint16_t port, const ClientSetup& setup) {
    const bool v6 = setup.address.find(':') != std::string::npos;
    fd_.reset(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd_) return;
    if (setup.receive_buffer > 0)
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &setup.receive_buffer, sizeof(int));
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_storage address{};
    socklen_t length = 0;
    if (v6) {
        auto* to = reinterpret_cast<sockaddr_in6*>(&address);
        to->sin6_family = AF_INET6;
        to->sin6_port = htons(port);
        ::inet_pton(AF_INET6, setup.address.c_str(), &to->sin6_addr);
        length = sizeof *to;
    } else {
        auto* to = reinterpret_cast<sockaddr_in*>(&address);
        to->sin_family = AF_INET;
        to->sin_port = htons(port);
        ::inet_pton(AF_INET, setup.address.c_str(), &to->sin_addr);
        length = sizeof *to;
    }
    if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) fd_.reset();
}

RawClient::RawClient(const std::string& unix_path) {
    fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::strncpy(address.sun_path, unix_path.c_str(), sizeof address.sun_path - 1);
    if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        fd_.reset();
}

bool RawClient::send(std::string_view bytes, const Deadline& deadline) {
    while (!bytes.empty()) {
        const ssize_t n = transmit(bytes);
        if (n > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            if (!await_fd(fd_.get(), POLLOUT, deadline)) return false;
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

ssize_t RawClient::transmit(std::string_view bytes) {
    return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t RawClient::receive(std::span<char> room) {
    return ::recv(fd_.get(), room.data(), room.size(), MSG_DONTWAIT);
}

bool RawClient::send_pieces(const std::vector<std::string_view>& pieces) {
    for (const std::string_view piece : pieces)
        if (!send(piece)) return false;
    return true;
}

void RawClient::half_close() {
    ::shutdown(fd_.get(), SHUT_WR);
}

void RawClient::reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd_.reset();
}

void RawClient::close() {
    fd_.reset();
}

bool RawClient::fill(const Deadline& deadline) {
    if (end_ != Got::nothing) return false;
    if (!fd_) {
        end_ = Got::rst;
        return false;
    }
    char bytes[65536];
    for (;;) {
        const ssize_t n = receive(bytes);
        if (n > 0) {
            buffer_.append(bytes, static_cast<std::size_t>(n));
            return true;
        }
        if (n < 0 && errno == EAGAIN && !await_fd(fd_.get(), POLLIN, deadline)) return false;
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        end_ = n == 0 ? Got::fin : Got::rst;
        return false;
    }
}

Response RawClient::read_head(const Deadline& deadline) {
    for (;;) {
        std::size_t end = 0;
        while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
            if (buffer_.size() <= kMaxHead && fill(deadline)) continue;
            Response response;
            response.got = buffer_.size() > kMaxHead ? Got::malformed : end_;
            response.problem = "no complete head: " + buffer_.substr(0, 200);
            return response;
        }
        Response response;
        const bool good =
            parse_response_head(std::string_view(buffer_).substr(0, end + 4), response);
        buffer_.erase(0, end + 4);
        response.got = good ? Got::complete : Got::malformed;
        if (!good || response.status >= 200) return response;
        ++interim_;
    }
}

Response RawClient::read_response(bool to_head, const Deadline& deadline) {
    Response response = read_head(deadline);
    if (!response.complete()) return response;
    if (to_head || response.status == 204 || response.status == 304) return response;
    const auto length = response.content_length();
    if (!length && response.field("Transfer-Encoding") == "chunked") {
        read_chunks(response, deadline);
        return response;
    }
    if (!length) {
        response.got = Got::malformed;
        response.problem = "a body without Content-Length";
        return response;
    }
    response.body = read_bytes(static_cast<std::size_t>(*length), deadline);
    if (response.body.size() < *length) response.got = end_;
    return response;
}

std::optional<std::string> RawClient::read_line(const Deadline& deadline) {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n")) == std::string::npos)
        if (!fill(deadline)) return std::nullopt;
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return line;
}

// RFC 9112 7.1, as fsrv writes it: no extensions, no trailers.
void RawClient::read_chunks(Response& response, const Deadline& deadline) {
    std::size_t length = 1;
    while (length > 0) {
        const auto size = read_line(deadline);
        if (!size) {
            response.got = end_;
            return;
        }
        const char* const last = size->data() + size->size();
        const auto [stop, error] = std::from_chars(size->data(), last, length, 16);
        if (error != std::errc() || stop != last) {
            response.got = Got::malformed;
            response.problem = "no size of a chunk: " + *size;
            return;
        }
        response.body += read_bytes(length, deadline);
        const auto end = read_line(deadline);
        if (end && end->empty()) continue;
        response.got = end ? Got::malformed : end_;
        response.problem = "a chunk without its end";
        return;
    }
}

std::string RawClient::read_bytes(std::size_t count, const Deadline& deadline) {
    std::string bytes;
    while (true) {
        const std::size_t take = std::min(count - bytes.size(), buffer_.size());
        if (bytes.empty() && take == buffer_.size()) {
            bytes.swap(buffer_);
        } else {
            bytes.append(buffer_, 0, take);
            buffer_.erase(0, take);
        }
        if (bytes.size() == count || !fill(deadline)) return bytes;
    }
}

std::string RawClient::read_to_end(const Deadline& deadline) {
    while (fill(deadline)) {
    }
    return std::exchange(buffer_, {});
}

Got RawClient::await_end(const Deadline& deadline) {
    if (!buffer_.empty() || fill(deadline)) return Got::malformed;
    return end_;
}

Response RawClient::ask(std::string_view request, bool to_head) {
    send(request);
    return read_response(to_head);
}

std::string get(std::string_view target, std::string_view fields) {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(fields) +
           "\r\n";
}

std::string head(std::string_view target, std::string_view fields) {
    return "HEAD " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" +
           std::string(fields) + "\r\n";
}

Response fetch(std::uint16_t port, std::string_view target, std::string_view fields) {
    RawClient client(port);
    return client.ask(get(target, fields));
}

} // namespace fsrv::test
