#include "supervisor/access_log_file.h"

#include "common/access.h"
#include "common/log.h"
#include "supervisor/paths.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fsrv {
namespace {

std::string why_not_opened(const std::string& path, Errno error) {
    const char* advice = "";
    switch (error.code) {
    case ELOOP:
        advice = "; it is a symbolic link: name the file itself, or \"-\" for standard output";
        break;
    case ENXIO: advice = "; nobody reads from the other end"; break;
    case ENOENT: advice = "; its folder must exist"; break;
    case EACCES: advice = "; who may write there is decided before --user takes effect"; break;
    default: break;
    }
    return fmt::format("cannot open the access log \"{}\": {}{}", path, errno_text(error.code),
                       advice);
}

// No link is followed: the log's folder may belong to somebody with fewer rights. O_NONBLOCK only
// for the open itself, so that a FIFO without a reader cannot stop the server; writes are a
// thread's of the worker and may block.
Result<UniqueFd, Errno> open_for_append(const std::string& path) {
    UniqueFd fd(::open(
        path.c_str(),
        O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0666));
    if (!fd) return unexpected(Errno::last());
    const int flags = fcntl(fd.get(), F_GETFL);
    if (flags < 0 || fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK) < 0)
        return unexpected(Errno::last());
    return fd;
}

bool names_a_file(const std::string& target) {
    return target != "-" && target != "off" && !target.empty();
}

} // namespace

Result<AccessLogFile, StartError> AccessLogFile::open(const std::string& target) {
    AccessLogFile log;
    if (target == "-") {
        log.fd_.reset(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
        return log;
    }
    if (!names_a_file(target)) return log;
    auto path = absolute_path(target);
    if (!path) return unexpected(StartError{kExitUsage, why_not_opened(target, path.error())});
    auto fd = open_for_append(*path);
    if (!fd) return unexpected(StartError{kExitUsage, why_not_opened(target, fd.error())});
    log.path_ = std::move(*path);
    log.fd_ = std::move(*fd);
    return log;
}

Result<void, StartError> AccessLogFile::check(const std::string& target) {
    if (!names_a_file(target)) return {};
    const auto refused = [&](Errno error) {
        return unexpected(StartError{kExitUsage, why_not_opened(target, error)});
    };
    struct stat st {};
    if (lstat(target.c_str(), &st) == 0) {
        if (S_ISLNK(st.st_mode)) return refused(Errno{ELOOP});
        if (S_ISDIR(st.st_mode)) return refused(Errno{EISDIR});
        if (!may_access(AT_FDCWD, target.c_str(), W_OK)) return refused(Errno::last());
        return {};
    }
    if (errno != ENOENT) return refused(Errno::last());
    if (!may_access(AT_FDCWD, folder_of(target).c_str(), W_OK | X_OK))
        return refused(Errno::last());
    return {};
}

Result<UniqueFd, std::string> AccessLogFile::open_again(const std::string& path) {
    auto fd = open_for_append(path);
    if (!fd) return unexpected(why_not_opened(path, fd.error()));
    return std::move(*fd);
}

} // namespace fsrv
