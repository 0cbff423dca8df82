// Who can prove what: the tables of the configuration file, and the files that --users, --jwt-key
// and --signing-key name, read with the supervisor's rights. All is checked at a start, by --check,
// and at a reload.
#pragma once

#include "common/access_material.h"
#include "common/options.h"
#include "common/result.h"
#include "supervisor/start/about_to.h"
#include "supervisor/start_error.h"

#include <string>
#include <vector>

namespace fsrv {

struct LoadedAccess {
    AccessMaterial material; // of tables and of files
    std::vector<std::string> warnings;

    bool is_empty() const { return material.is_empty() && warnings.empty(); }
    LoadedAccess copy() const { return {.material = material.copy(), .warnings = warnings}; }
};

// Where one of them has secrets, the memory of this process is private afterwards (key_memory.h).
// An error is status 2, and names the file, the line, what was expected, and what to do; never what
// stands there.
Result<LoadedAccess, StartError> load_access(const Options& options, const AboutTo& about_to = {});

// Those of --signing-key alone: for --sign.
Result<LoadedAccess, StartError> load_signing_keys(const Options& options);

} // namespace fsrv
