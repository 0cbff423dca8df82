// The files that --tls-cert, --tls-key and --tls-client-ca name: read with the supervisor's rights,
// paired and checked, at a start, by --check, at a reload, and when they have been renewed.
#pragma once

#include "common/options.h"
#include "common/result.h"
#include "common/tls_material.h"
#include "supervisor/start/about_to.h"
#include "supervisor/start_error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace fsrv {

struct LoadedTls {
    TlsMaterial material;
    std::string stamp;                 // as stamp_of() had it before they were read
    std::vector<std::string> warnings; // what is to be told of them
};

// Which files the names lead to and when they were last changed; the content is not looked at. The
// same: nothing has happened. Empty: there are no files (--tls-cert auto).
std::string stamp_of(const Options& options, const AboutTo& about_to = {});

// With --tls-cert, else not to be asked for. With `auto` there are no pairs yet (tls_auto.h has
// them). `now`: seconds since the epoch. The memory of this process is private afterwards
// (key_memory.h). An error is status 2, and names the file, what was expected, and what to do.
Result<LoadedTls, StartError> load_tls(const Options& options, std::int64_t now,
                                       const AboutTo& about_to = {});

// "2026-12-31 23:59:59 UTC"
std::string date_text(std::int64_t seconds);

} // namespace fsrv
