// Plan: what to answer. A pure function of (Request, what was found, configuration, now): every row
// of product.md section 4 is a unit test of it. It knows nothing of HTTP/1 framing: no Connection,
// no Date, no Server (response_head.h adds those).
#pragma once

#include "common/clock.h"
#include "worker/http/parser.h"
#include "worker/http/request.h"
#include "worker/http/resource.h"

#include <cstdint>
#include <string>

namespace fsrv::http {

struct Plan {
    int status = 200;
    std::string fields; // "Name: value\r\n" lines, Content-Length among them where there is one
                        // (not for 204 and 304)
    Body body; // empty for HEAD, 204, 304; Content-Length then still tells what GET would send
    bool close = false; // the connection must not be used again
};

struct PlanConfig {
    unsigned max_ranges = 64; // 0: ranges off, no Accept-Ranges
    // Goes into the boundary of multipart answers. Random, once per process: a file's owner must
    // not be able to write a boundary into the file.
    std::uint64_t boundary_key = 0;
};

// GET and HEAD of a target that the store looked up.
Plan plan_resource(const Request& request, FindResult found, const PlanConfig& config,
                   FileTime now);

// What needs no look-up: OPTIONS (204 with Allow), other methods (405 with Allow), health, refusals
// of parser and target. `what` may be empty. The body's form follows Accept (text/plain, a small
// page for browsers, application/problem+json).
Plan plan_status(const Request& request, int status, std::string_view what);
// 429, and after how many seconds it is worth trying again.
Plan plan_too_many(const Request& request, std::string_view what, std::uint64_t retry_after_s);
Plan plan_options();
// 308 to the same over https at `port`, at the host that was asked; without one a 400.
Plan plan_redirect(const Request& request, std::uint16_t port);
Plan plan_health(const Request& request, bool draining);
// Before there is a Request: the connection closes, and the form follows the Accept that the
// refusal has. `received`: what came of the request, from its first byte on: a HEAD gets no body,
// its Content-Length tells GET's.
Plan plan_refusal(const Refusal& refusal, std::string_view received);

// The standard reason phrase, "" for unknown ones.
std::string_view reason_phrase(int status);

} // namespace fsrv::http
