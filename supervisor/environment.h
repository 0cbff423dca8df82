// The environment and the arguments of programs: variables that are meant for this process and not
// for its children, and the words that one is started with.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace fsrv {

// The value of the variable, which is then no longer in the environment; none: it is not set.
std::optional<std::string> take_variable(const char* name);

// For execve() and parse_invocation(): pointers into `words`, and a null pointer at the end.
std::vector<char*> pointers_to(const std::vector<std::string>& words);

} // namespace fsrv
