// Figures of a Status as people read them, on the page and in the terminal.
#pragma once

#include <string>

namespace fsrv {

// Of bytes a second: "1.5 MiB/s".
std::string rate_text(double bytes);

// Of things, which may be an average: "0.4", "12 345".
std::string count_text(double number);

} // namespace fsrv
