#include "supervisor/start/served_root.h"

#include "common/access.h"
#include "common/log.h"
#include "supervisor/paths.h"

#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <memory>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace fsrv {
namespace {

StartError cannot_serve(const std::string& path, Errno error) {
    std::string advice;
    switch (error.code) {
    case ENOENT: advice = "name a folder that exists: fsrv DIR"; break;
    case ENOTDIR:
        advice = fmt::format("to share one file, serve the folder that it is in: fsrv {}",
                             folder_of(path));
        break;
    case EACCES:
        advice = "give this user the right to enter it (chmod a+rx), or start as another user";
        break;
    default: advice = "choose another folder: fsrv DIR"; break;
    }
    return {kExitUsage,
            fmt::format("cannot serve \"{}\": {}; {}", path, errno_text(error.code), advice)};
}

std::string strangeness(int fd, const std::string& path) {
    if (path == "/")
        return "serving the whole file system: every file that the workers may read is public";
    struct statfs fs {};
    if (fstatfs(fd, &fs) == 0 && (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC))
        return fmt::format("\"{}\" is made up by the kernel: its files have no fixed size, so most "
                           "cannot be served",
                           path);
    return {};
}

} // namespace

Result<ServedRoot, StartError> open_root(const std::string& path) {
    ServedRoot root;
    root.fd.reset(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root.fd) return unexpected(cannot_serve(path, Errno::last()));
    // O_PATH asks for no right on the folder itself.
    if (!may_access(root.fd.get(), ".", X_OK)) return unexpected(cannot_serve(path, Errno::last()));
    const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr),
                                                           &std::free);
    if (!real) return unexpected(cannot_serve(path, Errno::last()));
    root.path = real.get();
    root.warning = strangeness(root.fd.get(), root.path);
    return root;
}

} // namespace fsrv
