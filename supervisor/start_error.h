// Why the server cannot start: the exit status, and one line that says what is wrong and what to
// do.
#pragma once

#include "common/heritage.h"

#include <string>
#include <string_view>

namespace fsrv {

struct StartError {
    int exit_status = kExitFailure;
    std::string message; // ready to print after "fsrv: "
    int error = 0;       // errno, where a system call is the reason
    // Whose value is refused, as in common/options.def; empty: nobody's. The message does not name
    // it: placed() does.
    std::string_view option = {};
};

} // namespace fsrv
