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

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
    std::vector<char*> pointers;
    for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

} // namespace fsrv
