#include "supervisor/paths.h"

#include <climits>
#include <unistd.h>

namespace fsrv {

Result<std::string, Errno> absolute_path(const std::string& path) {
    if (path.starts_with('/')) return path;
    char folder[PATH_MAX];
    if (getcwd(folder, sizeof folder) == nullptr) return unexpected(Errno::last());
    std::string result = folder;
    if (!result.ends_with('/')) result += '/';
    return result + path;
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

} // namespace fsrv
