// `fsrv --ctl COMMAND`: asks the running server, waits for its verdict and prints it.
#pragma once

#include "common/ctl_client.h"

#include <string>

namespace fsrv {

// The exit status: the server's verdict, 0 or 1; 1 when there is no server, kExitUsage when
// `command` is none, or `path` is empty. `top_main` does what is left to do of top.
int run_ctl(const std::string& command, const std::string& path, TopMain top_main);

} // namespace fsrv
