// Why the server cannot start: the exit status, and one line that says what is wrong and what to
// do.
#pragma once

#include "common/heritage.h"

#include <string>

namespace fsrv {

struct StartError {
    int exit_status = kExitFailure;
    std::string message; // ready to print after "fsrv: "
    int error = 0;       // errno, where a system call is the reason
};

} // namespace fsrv
