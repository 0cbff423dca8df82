// Validators and preconditions (RFC 9110 8.8, 13). Pure.
#pragma once

#include "common/clock.h"
#include "worker/http/coding.h"
#include "worker/http/request.h"

#include <cstdint>
#include <optional>
#include <string>

namespace fsrv::http {

struct Validators {
    std::string etag; // quoted, with W/ when weak; empty: not sent
    std::optional<std::int64_t>
        last_modified; // Unix seconds; never later than the Date of the answer; none: not sent
    bool date_is_strong = true; // no two versions of the file have that date (RFC 9110 8.8.2.2)
    bool settled = true;        // whatever becomes of the file, its next version has another tag
};

// What fstat() tells of a version of a file.
struct FileState {
    std::uint64_t size = 0;
    FileTime mtime;
    FileTime ctime;
    std::uint64_t inode = 0;
};

// The tag is made of size and mtime in ns only, so it is the same on every worker and machine that
// has the same copy. Weak while mtime lies within limits::kYoungFileNs of `now`, before or after:
// then a change could leave no trace in it.
//
// An mtime that says nothing (unset_times.def) is not sent and makes no strong tag: two versions of
// a file may have the same. The tag then is a weak one of size, ctime and inode, which differ on
// other machines and change with what changes no byte; none where ctime says nothing either.
Validators make_validators(const FileState& file, FileTime now);

// Of what a coding makes of a representation with such validators: a tag of its own, made of the
// identity's and as strong as that, so the same wherever the identity has the same and the coding
// makes the same bytes. `weak`: it may not.
Validators coded_validators(const Validators& identity, Coding coding, bool weak);

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
