// The access log's line: one per answer, made after its last byte. What a client sent is kept as it
// came until then, in one allocation, and escaped when the line is made.
#pragma once

#include "common/clock.h"
#include "common/close_reason.h"
#include "common/options.h"
#include "worker/http/request.h"

#include <cstdint>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <string_view>

namespace fsrv::log {

// Where a client is, small enough for every idle connection to keep.
struct Peer {
    in6_addr address{}; // IPv4 as ::ffff:a.b.c.d; all zero: a Unix socket
    std::uint16_t port = 0;
    std::string text() const; // "192.0.2.1", "2001:db8::1" or "unix:"
};

// What a line tells of the request: views.
struct LogFields {
    std::string_view request_line;
    std::string_view referer;
    std::string_view user_agent;
    std::string_view range;
    std::string_view user = {}; // who was let in by name; empty: nobody asked
    static LogFields of(const http::Request& request);   // into the request's buffer
    static LogFields of_refused(std::string_view bytes); // the first line of what is no request
};

// The same, kept for as long as the answer takes: one allocation.
class LogRecord final {
  public:
    LogRecord() = default;
    explicit LogRecord(const LogFields& fields);

    LogFields fields() const { return {part(0), part(1), part(2), part(3), part(4)}; }

  private:
    void add(unsigned index, std::string_view text);
    std::string_view part(unsigned index) const;

    std::string text_;
    std::uint32_t ends_[5] = {};
};

// What was agreed on with a client of TLS: views.
struct TlsNote {
    std::string_view version;     // "TLSv1.3"
    std::string_view cipher;      // "TLS_AES_256_GCM_SHA384"
    std::string_view server_name; // SNI, as the client sent it
    bool resumed = false;
};

// And of the answer. `end`: "complete", or the name of the reason why it is not.
struct LogOutcome {
    Peer peer;
    int status = 0;
    FileTime started;             // wall clock, when the head was complete
    std::uint64_t started_ms = 0; // monotonic
    std::uint64_t body_bytes = 0; // really given to the kernel
    std::uint64_t now_ms = 0;
    std::string_view end;
    std::optional<TlsNote> tls; // none: clear
};

// Makes the lines. What stays the same for a second, the time, is made once.
//   combined: Apache's format of that name, with 0 for no bytes, as Debian's Apache and nginx have
//   it:
//     192.0.2.1 - ann [06/Nov/2026:08:49:37 +0000] "GET /a HTTP/1.1" 206 500 "-" "curl/7.88"
//   extended: behind it the duration in seconds, the range and how it ended:
//     … 0.013 "bytes=0-499" complete
//   and where TLS is spoken what was agreed on, whether the session was resumed, and the name that
//   was asked for:
//     … complete TLSv1.3 TLS_AES_256_GCM_SHA384 resumed "example.org"
//   json: one object a line with the same facts.
// A line has at most PIPE_BUF bytes: what a client sent is cut where it has no room, and ends with
// "...", a request line with "... HTTP/1.1". Secrets of a query are not told (secret_query.h).
class LogLines final {
  public:
    explicit LogLines(LogFormat format) : format_(format) {}

    // With its line feed; until the next call.
    std::string_view line(const LogFields& fields, const LogOutcome& outcome);

  private:
    void append_combined(const LogFields& fields, const LogOutcome& outcome);
    void append_extension(const LogFields& fields, const LogOutcome& outcome, std::uint64_t ms);
    void append_json(const LogFields& fields, const LogOutcome& outcome, std::uint64_t ms);
    const std::string& time(std::int64_t seconds);

    LogFormat format_;
    std::string text_;
    std::optional<std::int64_t> second_; // whose text time_ is
    std::string time_;                   // as the format has it, without what is below a second
};

} // namespace fsrv::log
