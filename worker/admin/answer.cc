#include "worker/admin/answer.h"

#include "worker/admin/metrics_text.h"
#include "worker/admin/status_json.h"
#include "worker/admin/status_page.h"
#include "worker/http/accept.h"
#include "worker/http/fields.h"

#include <fmt/format.h>

namespace fsrv::admin {
namespace {

struct Content {
    int status = 200;
    std::string_view type = "text/plain; charset=utf-8";
    std::string body;
    std::string fields; // besides those that every answer has
};

http::Plan plan_of(const http::Request& request, Content content) {
    http::Plan plan{.status = content.status};
    http::add_field(plan.fields, "Content-Type", content.type);
    http::add_field(plan.fields, "Content-Length", content.body.size());
    plan.fields.append("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    plan.fields.append(content.fields);
    if (request.method != http::Method::head) plan.body = http::Body::of(std::move(content.body));
    return plan;
}

Content healthz(const http::Request&, const StatusSource&) {
    return {.body = "ok\n"};
}

Content readyz(const http::Request&, const StatusSource& source) {
    const auto status = source();
    const std::string_view why = status ? status->not_ready_because() : "no figures";
    if (why.empty()) return {.body = "ready\n"};
    return {.status = 503, .body = fmt::format("{}\n", why), .fields = "Retry-After: 1\r\n"};
}

Content no_figures() {
    return {.status = 503,
            .body = "the supervisor does not answer for its figures\n",
            .fields = "Retry-After: 1\r\n"};
}

Content metrics(const http::Request&, const StatusSource& source) {
    const auto status = source();
    if (!status) return no_figures();
    return {.type = kMetricsType, .body = metrics_text(*status)};
}

// A browser names text/html; what names nothing in particular gets what programs read.
bool wants_page(const http::Request& request) {
    const std::string_view query =
        request.origin.substr(std::min(request.origin.find('?'), request.origin.size()));
    if (query == "?format=json") return false;
    if (query == "?format=html") return true;
    return http::error_form(request.field("accept").value_or("")) == http::BodyForm::html;
}

Content status(const http::Request& request, const StatusSource& source) {
    const auto status = source();
    if (!status) return no_figures();
    if (!wants_page(request))
        return {
            .type = "application/json", .body = status_json(*status), .fields = "Vary: Accept\r\n"};
    return {.type = "text/html; charset=utf-8",
            .body = status_page(*status),
            .fields = fmt::format("Vary: Accept\r\nContent-Security-Policy: {}\r\n"
                                  "Referrer-Policy: no-referrer\r\n",
                                  status_page_policy())};
}

struct Path {
    std::string_view path;
    Content (*content)(const http::Request&, const StatusSource&);
};
constexpr Path kPaths[] = {
    {"/healthz", healthz}, {"/readyz", readyz}, {"/metrics", metrics}, {"/status", status}};

} // namespace

http::Plan answer(const http::Request& request, const StatusSource& source) {
    if (request.method == http::Method::options) return http::plan_options();
    if (request.method == http::Method::other)
        return http::plan_status(request, 405, "figures are only read here");
    const std::string_view path = request.origin.substr(0, request.origin.find('?'));
    for (const Path& known : kPaths)
        if (path == known.path) return plan_of(request, known.content(request, source));
    if (path == "/")
        return plan_of(request,
                       {.status = 301, .body = "/status\n", .fields = "Location: status\r\n"});
    return http::plan_status(request, 404, "there are /healthz, /readyz, /metrics and /status");
}

} // namespace fsrv::admin
