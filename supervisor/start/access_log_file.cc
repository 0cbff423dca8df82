#include "supervisor/start/access_log_file.h"

#include "common/access.h"
#include "common/log.h"
#include "supervisor/paths.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <string_view>
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

// What speaks against writing to that file with the supervisor's rights, in a folder where somebody
// with fewer may have put the name: it may be one of a file that is not theirs to write (a hard
// link), or lead to them (a FIFO). Nothing: nothing does.
std::string objection(const struct stat& file, const struct stat& folder) {
    const auto is_ours = [](const struct stat& st) {
        return st.st_uid == 0 || st.st_uid == ::geteuid();
    };
    const bool others_put_names_there =
        !is_ours(folder) || (folder.st_mode & (S_IWGRP | S_IWOTH)) != 0;
    constexpr std::string_view kAdvice = "; use a folder that only root and the server may write";
    if (S_ISREG(file.st_mode)) {
        if (!others_put_names_there || file.st_nlink <= 1) return {};
        return fmt::format(
            "it has {} names (hard links), and others may put names into its folder{}",
            file.st_nlink, kAdvice);
    }
    if (!S_ISFIFO(file.st_mode) && !S_ISCHR(file.st_mode))
        return "it is neither a file nor a FIFO nor a terminal";
    if (!others_put_names_there || is_ours(file)) return {};
    return fmt::format("it is a {} of user {}, in a folder where others may put names{}",
                       S_ISFIFO(file.st_mode) ? "FIFO" : "device", file.st_uid, kAdvice);
}

std::string why_not_wanted(const std::string& path, const std::string& why) {
    return fmt::format("cannot use the access log \"{}\": {}", path, why);
}

// No link is followed: the log's folder may belong to somebody with fewer rights. O_NONBLOCK only
// for the open itself, so that a FIFO without a reader cannot stop the server; writes are a
// thread's of the worker and may block.
Result<UniqueFd, std::string> open_for_append(const std::string& path) {
    const auto failed = [&] { return unexpected(why_not_opened(path, Errno::last())); };
    const UniqueFd folder(::open(folder_of(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return failed();
    UniqueFd fd(::openat(
        folder.get(), path.substr(path.rfind('/') + 1).c_str(),
        O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0666));
    if (!fd) return failed();
    struct stat file {
    }, around{};
    if (::fstat(fd.get(), &file) != 0 || ::fstat(folder.get(), &around) != 0) return failed();
    if (const std::string why = objection(file, around); !why.empty())
        return unexpected(why_not_wanted(path, why));
    const int flags = fcntl(fd.get(), F_GETFL);
    if (flags < 0 || fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK) < 0) return failed();
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
    if (!fd) return unexpected(StartError{kExitUsage, fd.error()});
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
        struct stat folder {};
        if (::stat(folder_of(target).c_str(), &folder) != 0) return refused(Errno::last());
        if (const std::string why = objection(st, folder); !why.empty())
            return unexpected(StartError{kExitUsage, why_not_wanted(target, why)});
        return {};
    }
    if (errno != ENOENT) return refused(Errno::last());
    if (!may_access(AT_FDCWD, folder_of(target).c_str(), W_OK | X_OK))
        return refused(Errno::last());
    return {};
}

Result<UniqueFd, std::string> AccessLogFile::open_again(const std::string& path) {
    return open_for_append(path);
}

} // namespace fsrv
