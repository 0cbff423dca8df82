// Names of files as the supervisor needs them: they outlive a change of the working folder.
#pragma once

#include "common/result.h"

#include <string>

namespace fsrv {

// `path` with the working folder before it where it is relative; links are not resolved.
Result<std::string, Errno> absolute_path(const std::string& path);

// The folder that `path` stands in: "." for a bare name.
std::string folder_of(const std::string& path);

} // namespace fsrv
