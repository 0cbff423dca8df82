// A client that says exactly the bytes it is told, and tells exactly how the server's bytes ended.
#pragma once

#include "common/unique_fd.h"
#include "tests/support/await.h"
#include "tests/support/response.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace fsrv::test {

struct ClientSetup {
    int receive_buffer = 0;            // SO_RCVBUF, set before connecting; 0: the system's
    std::string address = "127.0.0.1"; // or an IPv6 literal
};

class RawClient {
  public:
    // A connection that is refused or reset at once shows in connected(), and in everything after.
    explicit RawClient(std::uint16_t port, const ClientSetup& setup = {});
    explicit RawClient(const std::string& unix_path);
    virtual ~RawClient() = default;
    RawClient(RawClient&&) = default;
    RawClient& operator=(RawClient&&) = default;

    bool connected() const { return static_cast<bool>(fd_); }
    int fd() const { return fd_.get(); }

    // False when the peer is gone.
    bool send(std::string_view bytes, const Deadline& deadline = Deadline());
    // In as many segments as there are pieces: the next piece leaves only when the kernel has
    // handed over the one before.
    bool send_pieces(const std::vector<std::string_view>& pieces);
    void half_close();
    void reset(); // RST now
    void close();

    // Exactly one answer, interim (1xx) ones skipped. `to_head`: the request was a HEAD, no body
    // follows.
    Response read_response(bool to_head = false, const Deadline& deadline = Deadline());
    // Only the head; body bytes that came with it stay for read_bytes().
    Response read_head(const Deadline& deadline = Deadline());
    // `count` bytes, fewer when the peer ends first or the deadline comes.
    std::string read_bytes(std::size_t count, const Deadline& deadline = Deadline());
    // Everything up to the peer's end.
    std::string read_to_end(const Deadline& deadline = Deadline());
    // How the peer ended, as far as it has been read.
    Got end() const { return end_; }
    // Waits for the end and expects no byte before it.
    Got await_end(const Deadline& deadline = Deadline());

    // send() and read_response().
    Response ask(std::string_view request, bool to_head = false);

    unsigned interim_answers() const { return interim_; }

  protected:
    // As recv(2) and send(2) that do not wait; what lies between, if anything, is another's.
    virtual ssize_t receive(std::span<char> room);
    virtual ssize_t transmit(std::string_view bytes);

  private:
    bool fill(const Deadline& deadline); // more bytes, or false and end_
    std::optional<std::string> read_line(const Deadline& deadline);
    void read_chunks(Response& response, const Deadline& deadline);
    UniqueFd fd_;
    std::string buffer_;
    Got end_ = Got::nothing;
    unsigned interim_ = 0;
};

// "GET /x HTTP/1.1\r\nHost: localhost\r\n" + fields (each with its CRLF) + "\r\n".
std::string get(std::string_view target, std::string_view fields = "");
std::string head(std::string_view target, std::string_view fields = "");

// One request on a connection of its own.
Response fetch(std::uint16_t port, std::string_view target, std::string_view fields = "");

} // namespace fsrv::test
