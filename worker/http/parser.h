// Bytes to Request. Two stages: HeadCheck looks at the raw bytes of the head as they come and
// refuses what llhttp lets through (research rows marked [L]: obs-fold, bare CR or LF, NUL, Host
// rules, framing rules, HTTP/0.9 ...); llhttp then parses the complete head. Nothing may be
// answered from a head that is not complete and sound. Pure: no sockets, no clock. The result is
// the same however the bytes are split. Linear in the bytes: nothing is scanned twice.
#pragma once

#include "worker/http/request.h"

#include <cstddef>
#include <memory>
#include <string_view>

namespace fsrv::http {

struct ParserLimits {
    std::size_t max_head_bytes = 16 * 1024; // request line, fields and the empty line behind them
};

// Why a request is refused; the connection closes after the answer. `status` is 400, 405 (CONNECT),
// 414, 431, 501 or 505. `what` is a constant text for the log and the error body, e.g. "space
// before the colon". `accept` is the value of the only Accept of a head that came whole and is
// sound byte by byte, whatever else is wrong with it; a view into its bytes.
struct Refusal {
    int status = 400;
    std::string_view what;
    std::string_view accept;
};

// True when `received`, the bytes of a request from its first one on, begin a HEAD: whatever
// refuses it has no body.
bool begins_head_request(std::string_view received);

enum class HeadStatus { need_more, complete, refused };
struct HeadResult {
    HeadStatus status = HeadStatus::need_more;
    // complete: how many bytes of the buffer were the head, a leading empty line included
    std::size_t head_bytes = 0;
    Refusal refusal; // refused
};

// One per request in progress. Not kept for idle connections. `reset()` makes it ready for the next
// request.
class RequestParser final {
  public:
    explicit RequestParser(const ParserLimits& limits);
    ~RequestParser();
    RequestParser(RequestParser&&) noexcept;
    RequestParser& operator=(RequestParser&&) noexcept;

    void reset();

    // `buffer`: everything received of this request and after it, from its first byte. Call again
    // with the same buffer, grown (it may have moved), while the answer is need_more. On complete,
    // `request` has views into `buffer`; where the target came with bytes above 0x7F, those of its
    // line are of their percent-encoded form, which the parser keeps until the next call. A method
    // that HTTP does not know gives 501; known ones other than GET, HEAD, OPTIONS give
    // Method::other.
    HeadResult parse_head(std::string_view buffer, Request& request);

    // After a complete head with has_body(): eats body bytes, at most limits::kMaxDroppedBody over
    // all calls, framing included. A Content-Length above that is refused by the first call, even
    // one without bytes. Trailers are checked like fields, then forgotten.
    enum class BodyStatus {
        need_more,
        complete,
        refused /* bad framing, or over the limit: close */
    };
    struct BodyResult {
        BodyStatus status = BodyStatus::need_more;
        std::size_t consumed = 0; // on complete, what follows belongs to the next request
    };
    BodyResult skip_body(std::string_view bytes);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace fsrv::http
