// An HTTP/1 response, read by a strict parser of the tests' own: nothing of the server's code
// judges the server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fsrv::test {

// How the reading of an answer ended.
enum class Got {
    complete,  // all that the head promised
    fin,       // the peer closed before that
    rst,       // the peer reset before that
    nothing,   // the deadline came first
    malformed, // what came is no HTTP/1 response; see `problem`
};
const char* got_name(Got got);
void PrintTo(Got got, std::ostream* out); // for GoogleTest

struct Response {
    Got got = Got::nothing;
    std::string problem;
    int status = 0;
    unsigned minor_version = 0;
    std::string reason;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string head; // as received, empty line included
    std::string body; // what came of it

    bool complete() const { return got == Got::complete; }
    unsigned count(std::string_view name) const;
    std::optional<std::string> field(std::string_view name) const; // the first of that name
    std::optional<std::uint64_t> content_length() const;
    bool announces_close() const; // what RFC 9112 9.3 lets a client expect
};

// Fills everything but `got` and `body` from a head that ends with its empty line. False: `problem`
// says why.
bool parse_response_head(std::string_view head, Response& response);

// Adds a failure to the test for everything that no fsrv answer may look like: no Date, two
// Content-Lengths, 200 without nosniff ...
void expect_sound(const Response& response);

struct BytesPart {
    std::string content_type;
    std::uint64_t first = 0, last = 0, size = 0;
    std::string bytes;
};
// The parts of a multipart/byteranges body; nothing when it is malformed in any way.
std::optional<std::vector<BytesPart>> parse_byteranges(const Response& response);

} // namespace fsrv::test
