// Answers that are made here rather than found: errors, redirects, OPTIONS, health.
#include "common/json.h"
#include "worker/http/accept.h"
#include "worker/http/authority.h"
#include "worker/http/fields.h"
#include "worker/http/page.h"
#include "worker/http/plan.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace fsrv::http {
namespace {

constexpr std::string_view kAllow = "GET, HEAD, OPTIONS";
constexpr std::uint16_t kHttpsPort = 443;

struct StatusText {
    int status;
    std::string_view phrase; // RFC 9110 15
    std::string_view detail; // for the body, when there is nothing more precise to say
};
constexpr std::array kStatuses = {
    StatusText{200, "OK", ""},
    StatusText{204, "No Content", ""},
    StatusText{206, "Partial Content", ""},
    StatusText{301, "Moved Permanently", "the folder's address ends in a slash"},
    StatusText{304, "Not Modified", ""},
    StatusText{308, "Permanent Redirect", "the address is another one"},
    StatusText{400, "Bad Request", "the request is malformed"},
    StatusText{401, "Unauthorized", "this wants to know who you are"},
    StatusText{403, "Forbidden", "this cannot be served"},
    StatusText{404, "Not Found", "there is nothing of that name"},
    StatusText{405, "Method Not Allowed", "files are only read here"},
    StatusText{408, "Request Timeout", "the request did not arrive in time"},
    StatusText{412, "Precondition Failed", "a precondition of the request does not hold"},
    StatusText{413, "Content Too Large", "the request's body is too large"},
    StatusText{414, "URI Too Long", "the address is too long"},
    StatusText{416, "Range Not Satisfiable", "no byte of the range exists"},
    StatusText{421, "Misdirected Request", "this server does not have that name"},
    StatusText{429, "Too Many Requests", "too much is asked, try again later"},
    StatusText{431, "Request Header Fields Too Large", "the request's head is too large"},
    StatusText{500, "Internal Server Error", "the file could not be read"},
    StatusText{501, "Not Implemented", "the request asks for something unknown"},
    StatusText{503, "Service Unavailable", "the server is busy, try again soon"},
    StatusText{505, "HTTP Version Not Supported", "only HTTP/1.0 and HTTP/1.1 are spoken"},
};

const StatusText* find_status(int status) {
    const auto it = std::find_if(kStatuses.begin(), kStatuses.end(),
                                 [&](const StatusText& text) { return text.status == status; });
    return it == kStatuses.end() ? nullptr : &*it;
}

struct Rendered {
    std::string_view content_type;
    std::string bytes;
};

std::string problem_json(int status, std::string_view title, std::string_view detail) {
    std::string out = R"({"type":"about:blank","title":)";
    append_json_string(out, title);
    fmt::format_to(std::back_inserter(out), R"(,"status":{},"detail":)", status);
    append_json_string(out, detail);
    out.append("}\n");
    return out;
}

Rendered render(BodyForm form, int status, std::string_view phrase, std::string_view detail) {
    const auto heading = fmt::format("{} {}", status, phrase);
    switch (form) {
    case BodyForm::html:
        return {"text/html; charset=utf-8",
                render_page(heading, fmt::format("<h1>{}</h1>\n<p>{}</p>\n", escape_html(heading),
                                                 escape_html(detail)))};
    case BodyForm::json: // RFC 9457
        return {"application/problem+json", problem_json(status, phrase, detail)};
    case BodyForm::text: break;
    }
    return {"text/plain; charset=utf-8", fmt::format("{}: {}\n", heading, detail)};
}

Plan make_status_plan(int status, std::string_view what, BodyForm form) {
    const StatusText* text = find_status(status);
    const auto detail = !what.empty() ? what : text ? text->detail : std::string_view{};
    auto rendered = render(form, status, reason_phrase(status), detail);

    Plan plan{.status = status};
    std::string& fields = plan.fields;
    fields.reserve(512);
    add_field(fields, "Content-Type", rendered.content_type);
    add_field(fields, "Content-Length", rendered.bytes.size());
    fields.append("X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n");
    if (form == BodyForm::html)
        add_field(fields, "Content-Security-Policy", page_security_policy());
    if (status == 405) add_field(fields, "Allow", kAllow);
    if (status == 503) fields.append("Retry-After: 1\r\n");
    plan.body = Body::of(std::move(rendered.bytes));
    return plan;
}

} // namespace

Plan plan_status(const Request& request, int status, std::string_view what) {
    Plan plan = make_status_plan(status, what, error_form(request.field("Accept").value_or("")));
    plan.fields.append("Vary: Accept\r\n");
    if (request.method == Method::head) plan.body = {};
    return plan;
}

Plan plan_too_many(const Request& request, std::string_view what, std::uint64_t retry_after_s) {
    Plan plan = plan_status(request, 429,
                            fmt::format("{}; again in {} {}", what, retry_after_s,
                                        retry_after_s == 1 ? "second" : "seconds"));
    add_field(plan.fields, "Retry-After", retry_after_s);
    return plan;
}

Plan plan_redirect(const Request& request, std::uint16_t port) {
    const std::string_view host = without_port(request.host);
    if (host.empty()) return plan_status(request, 400, "no Host says where to go on by https");
    Plan plan = plan_status(request, 308, "this is served over https");
    const std::string where = port == kHttpsPort ? std::string() : ":" + std::to_string(port);
    add_field(
        plan.fields, "Location",
        fmt::format("https://{}{}{}", host, where, request.origin == "*" ? "/" : request.origin));
    return plan;
}

Plan plan_options() {
    Plan plan{.status = 204};
    add_field(plan.fields, "Allow", kAllow);
    return plan;
}

Plan plan_health(const Request& request, bool draining) {
    std::string text = draining ? "draining\n" : "ok\n";
    Plan plan{.status = draining ? 503 : 200};
    add_field(plan.fields, "Content-Type", "text/plain; charset=utf-8");
    add_field(plan.fields, "Content-Length", text.size());
    plan.fields.append("X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n");
    if (draining) plan.fields.append("Retry-After: 1\r\n");
    if (request.method != Method::head) plan.body = Body::of(std::move(text));
    return plan;
}

Plan plan_refusal(const Refusal& refusal, std::string_view received) {
    Plan plan = make_status_plan(refusal.status, refusal.what, error_form(refusal.accept));
    plan.fields.append("Vary: Accept\r\n");
    plan.close = true;
    if (begins_head_request(received)) plan.body = {};
    return plan;
}

std::string_view reason_phrase(int status) {
    const StatusText* text = find_status(status);
    return text ? text->phrase : std::string_view{};
}

} // namespace fsrv::http
