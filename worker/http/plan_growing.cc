#include "worker/http/plan_growing.h"

#include "worker/http/fields.h"
#include "worker/http/ranges.h"

#include <algorithm>
#include <fmt/compile.h>
#include <utility>

namespace fsrv::http {
namespace {

GrowingRange wanted_growing_range(const Request& request, std::uint64_t size,
                                  const PlanConfig& config) {
    if (request.method != Method::get || config.max_ranges == 0) return {};
    const auto range = request.field("Range");
    if (!range || request.count("If-Range") > 0) return {};
    return evaluate_growing_range(*range, size);
}

} // namespace

Plan plan_growing(const Request& request, Resource& resource, const PlanConfig& config) {
    if (request.minor_version == 0)
        return plan_status(request, 400,
                           "HTTP/1.0 has no answers without a length: a file is followed by 1.1");
    Growing& growing = *resource.body.growing();
    const std::uint64_t size = growing.size();
    const auto tail = resource.followed->tail;
    const GrowingRange wanted = tail ? GrowingRange() : wanted_growing_range(request, size, config);
    if (wanted.verdict == RangeVerdict::unsatisfiable) {
        Plan plan = plan_status(request, 416, "the file does not reach as far");
        fmt::format_to(std::back_inserter(plan.fields), "Content-Range: bytes */{}\r\n", size);
        return plan;
    }
    Plan plan;
    add_field(plan.fields, "Content-Type", resource.content_type);
    if (wanted.verdict == RangeVerdict::partial) {
        const auto [first, length] = wanted.range;
        plan.status = 206;
        fmt::format_to(std::back_inserter(plan.fields),
                       FMT_COMPILE("Content-Range: bytes {}-{}/*\r\n"), first, first + length - 1);
        growing.begin_at(first, first + length);
    } else {
        growing.begin_at(tail ? size - std::min(*tail, size) : 0, Growing::kNoEnd);
    }
    plan.fields.append("X-Content-Type-Options: nosniff\r\n");
    if (!resource.content_disposition.empty())
        add_field(plan.fields, "Content-Disposition", resource.content_disposition);
    plan.fields.append(resource.extra_fields).append(resource.rule_fields);
    if (request.method == Method::get) plan.body = std::move(resource.body);
    return plan;
}

} // namespace fsrv::http
