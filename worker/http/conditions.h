// Validators and preconditions (RFC 9110 8.8, 13). Pure.
#pragma once

#include "common/clock.h"
#include "worker/http/request.h"

#include <cstdint>
#include <optional>
#include <string>

namespace fsrv::http {

struct Validators {
    std::string etag; // quoted, with W/ when weak
    std::optional<std::int64_t>
        last_modified; // Unix seconds; never later than the Date of the answer; none: not sent
};

// The tag is made of size and mtime in ns only, so it is the same on every worker and machine that
// has the same copy. Weak while mtime lies within limits::kYoungFileNs of `now`, or after it: then
// a change could leave no trace in it.
Validators make_validators(std::uint64_t size, FileTime mtime, FileTime now);

enum class Precondition {
    proceed,      // evaluate Range
    ignore_range, // proceed, but If-Range did not match: 200, whole
    not_modified, // 304
    failed,       // 412
};

// RFC 9110 13.2.2 in its order. If-Range is looked at only when Range is there; a weak tag never
// matches it, a date must be equal to Last-Modified. `now`: for two-digit years.
Precondition evaluate_preconditions(const Request& request, const Validators& validators,
                                    std::int64_t now);

} // namespace fsrv::http
