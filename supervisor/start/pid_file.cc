#include "supervisor/start/pid_file.h"

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

std::string why_not_written(const std::string& path, Errno error, std::string_view call = {}) {
    return fmt::format("cannot write the pid file \"{}\": {}{}{}", path, call,
                       call.empty() ? "" : ": ", errno_text(error.code));
}

bool write_all(int fd, std::string_view text) {
    return ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

struct flock whole_file(short kind) {
    struct flock lock {};
    lock.l_type = kind;
    lock.l_whence = SEEK_SET;
    return lock;
}

} // namespace

Result<PidFile, StartError> PidFile::prepare(const std::string& path) {
    PidFile file;
    if (path.empty()) return file;
    const auto refused = [&](Errno error) {
        return unexpected(StartError{.exit_status = kExitUsage,
                                     .message = why_not_written(path, error),
                                     .option = "pid-file"});
    };
    auto absolute = absolute_path(path);
    if (!absolute) return refused(absolute.error());
    struct stat st {};
    if (lstat(absolute->c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return refused(Errno{EISDIR});
    if (!may_access(AT_FDCWD, folder_of(*absolute).c_str(), W_OK | X_OK))
        return refused(Errno::last());
    file.path_ = std::move(*absolute);
    return file;
}

// Asks for a shared lock, which only those conflict with who may write the file: a stranger who may
// read it keeps no server from starting.
Result<void, StartError> PidFile::check_free() const {
    const UniqueFd fd(open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    struct flock lock = whole_file(F_RDLCK);
    if (!fd || fcntl(fd.get(), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return {};
    if (lock.l_pid == getppid()) return {};
    return unexpected(StartError{
        kExitUsage,
        fmt::format("the pid file \"{}\" is the one of another server that runs, process "
                    "{}; choose another one with --pid-file",
                    path_, lock.l_pid)});
}

Result<void, std::string> PidFile::make(pid_t pid) {
    if (path_.empty()) return {};
    const std::string text = fmt::format("{}\n", pid);
    const std::string fresh = fmt::format("{}.{}", path_, pid);
    unlink(fresh.c_str()); // of a dead process that had our number
    UniqueFd fd(open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
    const char* failed = !fd                           ? "open"
                         : fchmod(fd.get(), 0644) != 0 ? "fchmod"
                         : !write_all(fd.get(), text)  ? "write"
                                                       : nullptr;
    const Errno error = Errno::last();
    if (fd) fresh_ = fresh;
    if (failed != nullptr) {
        remove_fresh();
        return unexpected(why_not_written(path_, error, failed));
    }
    struct flock lock = whole_file(F_WRLCK);
    fcntl(fd.get(), F_SETLK, &lock); // a file system without locks has no such protection
    held_ = std::move(fd);
    return {};
}

Result<void, std::string> PidFile::write(pid_t pid) {
    if (path_.empty()) return {};
    if (fresh_.empty())
        if (auto ok = make(pid); !ok) return ok;
    if (rename(fresh_.c_str(), path_.c_str()) != 0) {
        const Errno error = Errno::last();
        remove_fresh();
        return unexpected(why_not_written(path_, error));
    }
    fresh_.clear();
    pid_ = pid;
    return {};
}

void PidFile::remove_fresh() {
    if (!fresh_.empty()) unlink(fresh_.c_str());
    fresh_.clear();
}

PidFile::~PidFile() {
    remove_fresh();
    if (pid_ == 0) return;
    const UniqueFd fd(open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    char text[32] = {};
    const ssize_t size = fd ? read(fd.get(), text, sizeof text) : -1;
    if (size > 0 &&
        std::string_view(text, static_cast<std::size_t>(size)) == fmt::format("{}\n", pid_))
        unlink(path_.c_str());
}

} // namespace fsrv
