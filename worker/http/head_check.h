// The lexical check of a request's head, byte by byte as it comes in, before llhttp sees any of it.
// It knows the grammar of RFC 9112 2 to 5 and the limits, and no field by name: what Host,
// Content-Length and their like must be is framing.h's. Refuses at the first byte that cannot
// belong to a sound head, whatever follows. A method that nobody knows belongs to one. Linear: no
// byte is looked at twice.
#pragma once

#include "worker/http/parser.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fsrv::http {

// What HTTP knows (llhttp's list without the words of RTSP and ICE), as far as it is told apart.
enum class KnownMethod : std::uint8_t { unknown, get, head, options, connect, other };
KnownMethod known_method(std::string_view token);

// Where the parts of the request line are. Offsets into the buffer; final once check() said
// complete.
struct RequestLine {
    std::size_t method_begin = 0; // also where the head begins, behind a leading empty line
    std::size_t method_length = 0;
    std::size_t target_begin = 0;
    std::size_t target_length = 0;
    std::size_t raw_bytes = 0; // of the target, above 0x7F: they mean their percent-encoded form
    std::size_t end = 0;       // where the fields begin
    unsigned minor_version = 0;
    KnownMethod method = KnownMethod::unknown;
};

class HeadCheck final {
  public:
    explicit HeadCheck(std::size_t max_head_bytes) : max_head_bytes_(max_head_bytes) {}
    void reset() { *this = HeadCheck(max_head_bytes_); }

    // As RequestParser::parse_head(): the same buffer, grown, until the answer is not need_more.
    // The answer then stays. `known`: fields to the end of the head, found sound before. Where just
    // these follow an HTTP/1.1 request for a path they are not looked at again, nor counted:
    // fields_are_known().
    const HeadResult& check(std::string_view buffer, std::string_view known = {});
    bool fields_are_known() const { return fields_are_known_; }

    // The same for a chunked body's trailer section (RFC 9112 7.1.2), which is a head without a
    // request line. Takes each byte once, in pieces, and bounds their fields but not their bytes;
    // head_bytes: those of this piece that belong to it.
    static HeadCheck for_trailers();
    HeadResult check_piece(std::string_view piece);

    const RequestLine& line() const { return line_; }
    unsigned field_count() const { return field_count_; }

  private:
    enum class State : std::uint8_t {
        start,    // before the method
        start_lf, // in a leading empty line
        method,
        target,
        version,
        line_lf,
        field_first, // first byte of a field line or of the last CRLF
        name,
        value,
        value_lf,
        end_lf,
        done,
        refused,
    };
    // Over what most heads have, as far as it is there: as step() would go, only faster.
    void go_straight_on(std::string_view buffer, std::string_view known);
    // One byte in one state: the next state, or refuse().
    State step(std::string_view buffer, std::size_t i);
    State refuse(int status, std::string_view what);
    State finish_target(std::string_view buffer, std::size_t end);
    State finish_line();
    bool asks_for_path(std::string_view buffer) const;

    std::size_t max_head_bytes_;
    std::size_t scanned_ = 0;
    RequestLine line_;
    HeadResult result_;
    unsigned leading_empty_lines_ = 0;
    unsigned field_count_ = 0;
    char major_ = '0';
    char minor_ = '0';
    bool fields_are_known_ = false;
    State state_ = State::start;
};

// tchar of RFC 9110 5.6.2, and a field value's bytes (RFC 9110 5.5: VCHAR, obs-text, SP, HTAB).
bool is_token_char(char c);
bool is_value_char(char c);
bool is_token(std::string_view text); // not empty

} // namespace fsrv::http
