// `fsrv --ctl COMMAND`: asks the running server, waits for its verdict and prints it.
#pragma once

#include <string>

namespace fsrv {

// The exit status: the server's verdict, 0 or 1; 1 when there is no server, kExitUsage when
// `command` is none, or `path` is empty.
int run_ctl(const std::string& command, const std::string& path);

} // namespace fsrv
