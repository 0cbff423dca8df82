// What is answered to who follows a file: of plan_resource(), where Resource::followed says so.
//
// Nobody knows how long that is: 200 without a length. There is no tag either, since there is not
// one version of it, so conditions mean nothing, and with If-Range all of it is sent. A range may
// begin at the end and goes on as the file does: 206, with the last byte that was asked for, or
// kVeryLastByte, and "*" for the length (RFC 8673). Where ?follow= says from where, Range means
// nothing. HTTP/1.0 has no answer without a length: 400. Pure, but that the producer is told from
// where to begin.
#pragma once

#include "worker/http/plan.h"

namespace fsrv::http {

Plan plan_growing(const Request& request, Resource& resource, const PlanConfig& config);

} // namespace fsrv::http
