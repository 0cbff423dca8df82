// What a configuration allows that its author may not have meant: said once, at the start.
#pragma once

#include "common/options.h"

#include <string>
#include <vector>

namespace fsrv {

// `is_root`: the effective user. `unix_mode`: of the socket of --unix.
std::vector<std::string> start_warnings(const Options& options, bool is_root, unsigned unix_mode);

} // namespace fsrv
