// The folder that is served, opened once: the workers look names up beneath the descriptor.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "supervisor/start_error.h"

#include <string>

namespace fsrv {

struct ServedRoot {
    UniqueFd fd;         // O_PATH
    std::string path;    // absolute, links resolved
    std::string warning; // why it is a strange choice; empty: it is not
};

Result<ServedRoot, StartError> open_root(const std::string& path);

} // namespace fsrv
