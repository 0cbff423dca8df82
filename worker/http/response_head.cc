#include "worker/http/response_head.h"

#include "worker/http/fields.h"

namespace fsrv::http {

namespace {

// The version is the server's own whatever the request's was (RFC 9110 2.5).
void append_status_line(std::string& out, int status) {
    const fmt::format_int digits(status);
    out.append("HTTP/1.1 ").append(digits.data(), digits.size()).append(" ");
    out.append(reason_phrase(status)).append("\r\n");
}

} // namespace

void append_lasting_head(std::string& out, const Plan& plan, bool server_header) {
    append_status_line(out, plan.status);
    if (server_header) out.append("Server: fsrv\r\n");
    out.append(plan.fields);
}

void append_response_head(std::string& out, const Plan& plan, const HeadContext& context) {
    out.reserve(out.size() + plan.fields.size() + 160);
    append_status_line(out, plan.status);
    add_field(out, "Date", context.date);
    if (context.server_header) out.append("Server: fsrv\r\n");
    if (plan.close || !context.keep_alive)
        out.append("Connection: close\r\n");
    else if (context.minor_version == 0)
        out.append("Connection: keep-alive\r\n");
    if (context.chunked) out.append("Transfer-Encoding: chunked\r\n");
    out.append(plan.fields).append("\r\n");
}

} // namespace fsrv::http
