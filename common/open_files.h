// The limit of open files of this process, however the system lets it be known.
#pragma once

#include <cstddef>

namespace fsrv {

struct OpenFilesLimit {
    std::size_t soft = 0; // in force
    std::size_t hard = 0; // what it can be raised to
    bool known = false;   // false: nothing tells it; what is assumed is what Linux gives by default
};

// By getrlimit(), by the older call of that name where a sandbox denies prlimit64, or out of /proc.
OpenFilesLimit open_files_limit();

// As far as it may be.
void raise_open_files_limit();

} // namespace fsrv
