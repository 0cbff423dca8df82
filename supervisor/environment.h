// Variables of the environment that are meant for this process and not for its children.
#pragma once

#include <optional>
#include <string>

namespace fsrv {

// The value of the variable, which is then no longer in the environment; none: it is not set.
std::optional<std::string> take_variable(const char* name);

} // namespace fsrv
