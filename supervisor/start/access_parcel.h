// What people prove with who they are, on its way from an errand that has read the files to the
// supervisor: in sealed memory that only the two have (key_memory.h).
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "supervisor/start/access_files.h"

#include <optional>

namespace fsrv {

Result<UniqueFd, Errno> pack(const LoadedAccess& access);
// None: it is no such parcel. The memory of this process is private afterwards.
std::optional<LoadedAccess> unpack_access(const UniqueFd& parcel);

} // namespace fsrv
