#include "worker/http/response_head.h"

#include "worker/http/fields.h"

namespace fsrv::http {

void append_lasting_head(std::string& out, const Plan& plan, bool server_header) {
    const fmt::format_int status(plan.status);
    out.append("HTTP/1.1 ").append(status.data(), status.size()).append(" ");
    out.append(reason_phrase(plan.status)).append("\r\n");
    if (server_header) out.append("Server: fsrv\r\n");
    out.append(plan.fields);
}

void append_response_head(std::string& out, const Plan& plan, const HeadContext& context) {
    const fmt::format_int status(plan.status);
    out.reserve(out.size() + plan.fields.size() + 160);
    // The version is the server's own whatever the request's was (RFC 9110 2.5).
    out.append("HTTP/1.1 ").append(status.data(), status.size()).append(" ");
    out.append(reason_phrase(plan.status)).append("\r\n");
    add_field(out, "Date", context.date);
    if (context.server_header) out.append("Server: fsrv\r\n");
    if (plan.close || !context.keep_alive)
        out.append("Connection: close\r\n");
    else if (context.minor_version == 0)
        out.append("Connection: keep-alive\r\n");
    out.append(plan.fields).append("\r\n");
}

} // namespace fsrv::http
