// Resource: what was found for a target: its representations and what HTTP says of them. A file, a
// folder's listing, later an archive or a remote object: the plan does not care which.
#pragma once

#include "common/result.h"
#include "worker/http/body.h"
#include "worker/http/coding.h"
#include "worker/http/conditions.h"

#include <optional>
#include <string>
#include <vector>

namespace fsrv::http {

// A coded representation beside the identity. Of the same type, and as old.
struct CodedRepresentation {
    Coding coding = Coding::gzip;
    Body body; // may be a stream: of unknown length
    Validators validators;
    std::string repr_digest; // as Resource's
};

struct Resource {
    const CodedRepresentation* coded_as(Coding coding) const {
        for (const CodedRepresentation& each : coded)
            if (each.coding == coding) return &each;
        return nullptr;
    }

    Body body; // the whole identity
    // Its type gains by a coding: Accept-Encoding decides, and Vary says so, whatever is sent.
    bool negotiated = false;
    // The body is coded already (a file beside the one that was asked for): so it is named, and its
    // ranges are of the coded bytes.
    Coding coded_before = Coding::identity;
    bool might_be_coded_before = false; // so Vary says it too
    bool varies_by_coding() const { return negotiated || might_be_coded_before; }
    std::vector<CodedRepresentation> coded; // those that could be had
    // False: of a HEAD, whose body nobody made. It is empty then, and no Content-Length is sent
    // (RFC 9110 9.3.2).
    bool body_made = true;
    // The body is of a file that is followed, from so many bytes before its end on; none: from
    // where the request says.
    struct Followed {
        std::optional<std::uint64_t> tail;
    };
    std::optional<Followed> followed;
    // It is sent in that coding, which is part of its type: as a stream that is to be made of it.
    Coding packed = Coding::identity;
    std::string content_type;
    std::optional<Validators>
        validators; // none: no ETag, no Last-Modified, no preconditions, no ranges (a listing)
    // Value of Repr-Digest, of the whole identity, for those who want it; empty: nobody has asked,
    // or it is not known yet.
    std::string repr_digest;
    bool digests = true; // it may be told
    // False: who asks decides whether it may be had, beyond what its path's rule says: no cache.
    bool may_be_kept = true;
    std::string path; // of a file, below the root, links as they came: for caches, never sent
    std::string content_disposition; // empty: inline, no such field
    std::string extra_fields;        // ready "Name: value\r\n" lines, e.g. a listing's
                                     // Content-Security-Policy and Vary
    std::string rule_fields;         // likewise, and a 304 repeats all of them
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
