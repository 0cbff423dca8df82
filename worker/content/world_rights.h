// What everybody may read, by the bits for others (for permissions = "world"). Blocking; any
// thread.
#pragma once

#include "common/result.h"
#include "worker/content/resolver.h"

#include <string>
#include <sys/stat.h>

namespace fsrv::content {

// A file's bytes; a folder's names.
inline bool world_may_read(const struct stat& status) {
    return (status.st_mode & S_IROTH) != 0;
}

// What a name in a folder leads to may be had by everybody: each folder of `path`, which is without
// links, may be entered, from the root on, and `entry` there be read or entered. EACCES: it may
// not. Other errors: of the resolver.
Result<void, Errno> check_world_rights(const Resolver& resolver, const std::string& path,
                                       const Entry& entry, Reach& reach);

} // namespace fsrv::content
