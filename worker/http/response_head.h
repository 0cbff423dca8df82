// HTTP/1 framing of a Plan: status line, Date, Server, Connection, the plan's fields, empty line.
#pragma once

#include "worker/http/plan.h"

#include <string>
#include <string_view>

namespace fsrv::http {

struct HeadContext {
    unsigned minor_version = 1; // of the request: decides how persistence is announced
    bool keep_alive = true;
    bool chunked = false; // so the body is framed: nobody knows its length
    bool server_header = true;
    std::string_view date; // IMF-fixdate of now
};

// The part of a head that is the same for every answer to HTTP/1.1 on a connection that stays: all
// but Date and the empty line, which follow it as "Date: ...\r\n\r\n".
void append_lasting_head(std::string& out, const Plan& plan, bool server_header);

// Appends to `out`, so that the caller can reuse a buffer.
void append_response_head(std::string& out, const Plan& plan, const HeadContext& context);

} // namespace fsrv::http
