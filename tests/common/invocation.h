// Calls of parse_invocation() as a shell would make them.
#pragma once

#include "common/options.h"

#include <string>
#include <vector>

namespace fsrv::test {

inline Result<Invocation, UsageError> invoke(const std::vector<std::string>& arguments,
                                             const std::vector<std::string>& variables = {}) {
    std::vector<const char*> argv{"fsrv"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    argv.push_back(nullptr);
    std::vector<const char*> environment;
    for (const std::string& variable : variables) environment.push_back(variable.c_str());
    environment.push_back(nullptr);
    return parse_invocation(static_cast<int>(argv.size()) - 1, argv.data(), environment.data());
}

// What was refused, or "accepted".
template <class T>
std::string refusal(const Result<T, UsageError>& result) {
    return result ? "accepted" : result.error().message;
}

} // namespace fsrv::test
