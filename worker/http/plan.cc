#include "worker/http/plan.h"

#include "worker/http/accept_encoding.h"
#include "worker/http/conditions.h"
#include "worker/http/date.h"
#include "worker/http/fields.h"
#include "worker/http/plan_growing.h"
#include "worker/http/ranges.h"
#include "worker/http/want_digest.h"

#include <array>
#include <fmt/compile.h>
#include <memory>
#include <utility>

namespace fsrv::http {
namespace {

// Content-Range of a satisfied range, RFC 9110 14.4.
void append_content_range(std::string& out, const ByteRange& range, std::uint64_t size) {
    fmt::format_to(std::back_inserter(out), FMT_COMPILE("Content-Range: bytes {}-{}/{}\r\n"),
                   range.first, range.first + range.length - 1, size);
}

std::uint64_t mix(std::uint64_t value) { // SplitMix64's finisher
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9U;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBU;
    return value ^ (value >> 31);
}

std::string make_boundary(std::uint64_t key, std::string_view etag) {
    std::uint64_t sum = 0xCBF29CE484222325U; // FNV-1a
    for (const char c : etag) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
    return fmt::format(FMT_COMPILE("fsrv-{:016x}{:016x}"), mix(key ^ sum), mix(mix(key + 1) + sum));
}

// The parts' heads share one string; the file's extents lie between slices of it. Each delimiter
// begins with its CRLF, also the first (RFC 2046 5.1.1): zsync looks for it there.
Body make_multipart(const Body& whole, std::string_view content_type, const RangeResult& ranges,
                    std::uint64_t size, std::string_view boundary) {
    std::string heads;
    std::vector<std::size_t> ends;
    ends.reserve(ranges.ranges.size());
    for (const ByteRange& range : ranges.ranges) {
        heads.append("\r\n--").append(boundary).append("\r\n");
        add_field(heads, "Content-Type", content_type);
        append_content_range(heads, range, size);
        heads.append("\r\n");
        ends.push_back(heads.size());
    }
    const auto tail_begin = heads.size();
    heads.append("\r\n--").append(boundary).append("--\r\n");

    const auto heads_end = heads.size();
    const auto shared = shared_bytes(std::make_shared<const std::string>(std::move(heads)));
    Body body;
    body.segments.reserve(2 * ranges.ranges.size() + 1);
    std::size_t begin = 0;
    for (std::size_t i = 0; i < ranges.ranges.size(); ++i) {
        body.segments.emplace_back(
            MemoryExtent{.bytes = shared, .offset = begin, .length = ends[i] - begin});
        body.append_slice(whole, ranges.ranges[i].first, ranges.ranges[i].length);
        begin = ends[i];
    }
    body.segments.emplace_back(
        MemoryExtent{.bytes = shared, .offset = tail_begin, .length = heads_end - tail_begin});
    return body;
}

// Of a resource's own fields, those that a 304 repeats (RFC 9110 15.4.5).
void append_cache_fields(std::string& out, std::string_view lines) {
    constexpr std::array<std::string_view, 4> kRepeated = {
        "Cache-Control:", "Content-Location:", "Expires:", "Vary:"};
    while (!lines.empty()) {
        const auto end = std::min(lines.find("\r\n"), lines.size() - 2) + 2;
        const auto line = lines.substr(0, end);
        for (const std::string_view name : kRepeated)
            if (equal_ignoring_case(line.substr(0, name.size()), name)) out.append(line);
        lines.remove_prefix(end);
    }
}

constexpr std::string_view kVaryByCoding = "Vary: Accept-Encoding\r\n";

// What is known, if it may be told: of the identity, or of the coded representation that is sent.
std::string_view known_digest(const Resource& resource, const CodedRepresentation* coded) {
    if (!resource.digests) return {};
    return coded ? coded->repr_digest : resource.repr_digest;
}

// Of the selected representation, whatever part of it is sent (RFC 9530 3).
void add_digest(std::string& fields, const Request& request, std::string_view digest) {
    if (!digest.empty() && wants_sha256(request)) add_field(fields, "Repr-Digest", digest);
}

Plan plan_not_modified(const Request& request, const Resource& resource,
                       const Validators& validators, std::string_view digest) {
    Plan plan{.status = 304};
    if (!validators.etag.empty()) add_field(plan.fields, "ETag", validators.etag);
    add_digest(plan.fields, request, digest);
    if (resource.varies_by_coding()) plan.fields.append(kVaryByCoding);
    append_cache_fields(plan.fields, resource.extra_fields);
    plan.fields.append(resource.rule_fields);
    return plan;
}

// What a file's condition or range has led to.
Plan plan_file_status(const Request& request, const Resource& resource, int status,
                      std::string_view what) {
    Plan plan = plan_status(request, status, what);
    constexpr std::string_view kVary = "Vary: Accept\r\n";
    if (const auto at = plan.fields.find(kVary);
        resource.varies_by_coding() && at != std::string::npos)
        plan.fields.replace(at, kVary.size(), "Vary: Accept, Accept-Encoding\r\n");
    return plan;
}

Plan plan_unsatisfiable(const Request& request, const Resource& resource, std::uint64_t size) {
    Plan plan = plan_file_status(request, resource, 416, "no byte of the range exists");
    fmt::format_to(std::back_inserter(plan.fields), "Content-Range: bytes */{}\r\n", size);
    return plan;
}

Plan plan_miss(const Request& request, const Miss& miss) {
    Plan plan = plan_status(request, miss.status, miss.what);
    if (!miss.location.empty()) add_field(plan.fields, "Location", miss.location);
    return plan;
}

// What Range asks for, RFC 9110 14.2: of GET alone, and of what has validators, so that parts of
// two versions cannot be mixed.
RangeResult wanted_ranges(const Request& request, const Resource& resource, std::uint64_t size,
                          const PlanConfig& config) {
    if (request.method != Method::get || !resource.validators || config.max_ranges == 0) return {};
    const auto range = request.field("Range");
    // Of several parts, no field says that each is a part of something coded.
    const bool one = resource.coded_before != Coding::identity;
    return range ? evaluate_ranges(*range, size, one ? 1 : config.max_ranges) : RangeResult{};
}

} // namespace

Plan plan_resource(const Request& request, FindResult found, const PlanConfig& config,
                   FileTime now) {
    if (!found) return plan_miss(request, found.error());
    Resource& resource = *found;
    if (resource.followed) return plan_growing(request, resource, config);

    const CodedRepresentation* const coded =
        resource.coded.empty() ? nullptr : resource.coded_as(wanted_coding(request));
    const Validators* validators = resource.validators ? &*resource.validators : nullptr;
    if (coded) validators = &coded->validators;

    auto precondition = Precondition::proceed;
    if (validators) precondition = evaluate_preconditions(request, *validators, now.seconds);
    if (precondition == Precondition::failed)
        return plan_file_status(request, resource, 412, "the file is not the one that was meant");
    const std::string_view digest = known_digest(resource, coded);
    if (precondition == Precondition::not_modified)
        return plan_not_modified(request, resource, *validators, digest);

    const auto size = resource.body.size();
    const bool sliced = !coded && resource.body.has_known_size();
    RangeResult ranges;
    if (precondition == Precondition::proceed && sliced)
        ranges = wanted_ranges(request, resource, size, config);
    if (ranges.verdict == RangeVerdict::unsatisfiable)
        return plan_unsatisfiable(request, resource, size);

    Plan plan;
    std::string& fields = plan.fields;
    fields.reserve(384 + resource.extra_fields.size() + resource.content_disposition.size() +
                   resource.rule_fields.size());
    if (coded) {
        add_field(fields, "Content-Type", resource.content_type);
        add_field(fields, "Content-Encoding", token_of(coded->coding));
        plan.body = coded->body;
    } else if (ranges.verdict == RangeVerdict::whole) {
        add_field(fields, "Content-Type", resource.content_type);
        plan.body = std::move(resource.body);
    } else if (ranges.ranges.size() == 1) {
        const ByteRange& range = ranges.ranges.front();
        plan.status = 206;
        add_field(fields, "Content-Type", resource.content_type);
        append_content_range(fields, range, size);
        plan.body.append_slice(resource.body, range.first, range.length);
    } else {
        plan.status = 206;
        const auto boundary = make_boundary(config.boundary_key, resource.validators->etag);
        fields.append("Content-Type: multipart/byteranges; boundary=").append(boundary);
        fields.append("\r\n");
        plan.body = make_multipart(resource.body, resource.content_type, ranges, size, boundary);
    }
    if (resource.coded_before != Coding::identity)
        add_field(fields, "Content-Encoding", token_of(resource.coded_before));
    if (resource.body_made && plan.body.has_known_size())
        add_field(fields, "Content-Length", plan.body.size());
    fields.append("X-Content-Type-Options: nosniff\r\n");
    if (!resource.content_disposition.empty())
        add_field(fields, "Content-Disposition", resource.content_disposition);
    if (validators) {
        if (!validators->etag.empty()) add_field(fields, "ETag", validators->etag);
        if (validators->last_modified)
            if (const auto date = format_date(*validators->last_modified))
                add_field(fields, "Last-Modified", *date);
        if (config.max_ranges > 0 && sliced) fields.append("Accept-Ranges: bytes\r\n");
    }
    add_digest(fields, request, digest);
    if (resource.varies_by_coding()) fields.append(kVaryByCoding);
    fields.append(resource.extra_fields).append(resource.rule_fields);
    if (request.method == Method::head) plan.body = {};
    return plan;
}

} // namespace fsrv::http
