#include "supervisor/environment.h"

#include <cstdlib>

namespace fsrv {

std::optional<std::string> take_variable(const char* name) {
    const char* value = getenv(name);
    if (value == nullptr) return std::nullopt;
    std::string text = value;
    unsetenv(name);
    return text;
}

} // namespace fsrv
