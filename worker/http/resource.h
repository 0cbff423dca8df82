// Resource: what was found for a target: its representation and what HTTP says of it. A file, a
// folder's listing, later an archive or a remote object: the plan does not care which.
#pragma once

#include "common/result.h"
#include "worker/http/body.h"
#include "worker/http/conditions.h"

#include <optional>
#include <string>

namespace fsrv::http {

struct Resource {
    Body body; // the whole representation
    // False: of a HEAD, whose body nobody made. It is empty then, and no Content-Length is sent
    // (RFC 9110 9.3.2).
    bool body_made = true;
    std::string content_type;
    std::optional<Validators>
        validators;   // none: no ETag, no Last-Modified, no preconditions, no ranges (a listing)
    std::string path; // of a file, below the root, links as they came: for caches, never sent
    std::string content_disposition; // empty: inline, no such field
    std::string extra_fields;        // ready "Name: value\r\n" lines, e.g. a listing's
                                     // Content-Security-Policy and Vary
};

// Why nothing was found, as an answer. 301: `location` (encoded, relative to the target: last
// segment and query). 503: Retry-After is added.
struct Miss {
    int status = 404;
    std::string location;
    std::string_view what;      // constant text for the log and the body; never a path
    bool listings_full = false; // it is other listings that leave no room for this one
};

using FindResult = Result<Resource, Miss>;

} // namespace fsrv::http
