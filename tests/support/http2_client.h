// A client of HTTP/2 that says exactly the frames it is told and keeps what comes, by stream; in
// clear by prior knowledge, or over TLS by ALPN. Its windows are wide open, if the test does not
// say otherwise; nothing is said by itself but the acknowledgement of SETTINGS.
#pragma once

#include "tests/support/await.h"
#include "tests/support/http2_frames.h"
#include "tests/support/raw_client.h"
#include "tests/support/response.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct nghttp2_hd_inflater;
struct ssl_st;

namespace fsrv::test {

struct Http2Answer {
    int status = 0; // 0: no head has come
    h2::Fields fields;
    std::string body;
    bool whole = false;                 // END_STREAM
    std::optional<std::uint32_t> reset; // by RST_STREAM, with that error
    bool over() const { return whole || reset; }
    std::string field(std::string_view name) const; // "": there is none
};

struct Http2Setup {
    std::uint32_t window = 1U << 30; // of each stream, bytes
    bool tls = false;
    std::string unix_path; // instead of the port
    int receive_buffer = 0;
    bool keeps_bodies = true; // false: only their lengths count
};

class Http2Client final {
  public:
    explicit Http2Client(std::uint16_t port, const Http2Setup& setup = {});
    ~Http2Client();
    Http2Client(const Http2Client&) = delete;
    Http2Client& operator=(const Http2Client&) = delete;

    // Connected, and over TLS both sides speak h2.
    bool connected() const { return connected_; }
    std::string protocol() const; // that ALPN has chosen

    // False: the server is gone, or does not take them.
    bool send(std::string_view frames, const Deadline& deadline = Deadline());
    // HEADERS of a whole request, on the next stream.
    std::uint32_t get(std::string_view path, const h2::Fields& more = {},
                      std::string_view method = "GET");
    std::uint32_t next_stream(); // 1, 3, 5 ...

    // The next frame, which is taken into account already. False: there will be none; end().
    bool read(const Deadline& deadline = Deadline());
    // Until the answer is over; false: the connection ended, or the deadline came.
    bool await(std::uint32_t stream, const Deadline& deadline = Deadline());
    // Reads on to the end of the connection.
    Got await_end(const Deadline& deadline = Deadline());
    Http2Answer& of(std::uint32_t stream) { return answers_[stream]; }
    // get(), await() and the answer.
    Http2Answer ask(std::string_view path, const h2::Fields& more = {},
                    std::string_view method = "GET");

    struct Goaway {
        std::uint32_t last_stream = 0, error = 0;
    };
    const std::vector<Goaway>& goaways() const { return goaways_; }
    unsigned pings() const { return pings_; }                                  // that were answered
    std::uint64_t received(std::uint32_t stream) { return received_[stream]; } // bytes of a body
    Got end() const { return end_; }
    RawClient& raw() { return raw_; }

  private:
    bool begin_tls();
    bool fill(const Deadline& deadline);
    void take(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
              std::string_view payload);
    void take_head(std::uint32_t stream, std::string_view payload);

    const Http2Setup setup_;
    RawClient raw_;
    ssl_st* ssl_ = nullptr;
    nghttp2_hd_inflater* inflater_ = nullptr;
    bool connected_ = false;
    std::uint32_t next_stream_ = 1;
    std::string buffer_;
    std::size_t taken_ = 0; // of it
    std::string head_;      // a block that is not whole yet
    std::map<std::uint32_t, Http2Answer> answers_;
    std::map<std::uint32_t, std::uint64_t> received_;
    std::vector<Goaway> goaways_;
    unsigned pings_ = 0;
    Got end_ = Got::nothing;
};

} // namespace fsrv::test
