// `fsrv --ctl COMMAND`: asks the running server, waits for its verdict and prints it.
#pragma once

#include "common/figures/sampler.h"

#include <string>

namespace fsrv {

// The exit status: the server's verdict, 0 or 1; 1 when there is no server, kExitUsage when
// `command` is none, or `path` is empty. `shown_name`: for top.
int run_ctl(const std::string& command, const std::string& path, ShownName shown_name);

} // namespace fsrv
