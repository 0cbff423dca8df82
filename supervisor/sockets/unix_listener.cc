#include "supervisor/sockets/unix_listener.h"

#include "common/access.h"
#include "common/limits.h"
#include "common/log.h"
#include "supervisor/paths.h"
#include "supervisor/sockets/socket_options.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fsrv {
namespace {

constexpr std::size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;

StartError cannot_listen(const std::string& path, std::string_view why) {
    return {kExitBind, fmt::format("cannot listen on the Unix socket \"{}\": {}", path, why)};
}

// Two servers that start at once must not both find the same stale file: the folder is locked from
// the look to the listening. A stranger who holds the lock does not keep us from starting for more
// than a second.
UniqueFd lock_folder(const std::string& path) {
    UniqueFd folder(open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int attempt = 0; folder && attempt < 50; ++attempt) {
        if (flock(folder.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) break;
        poll(nullptr, 0, 20);
    }
    return folder;
}

UniqueFd make_unix_socket(int type) {
    return UniqueFd(socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

Result<void, StartError> make_room(const UnixPlace& place) {
    const std::string& path = place.path;
    struct stat st {};
    if (lstat(path.c_str(), &st) != 0) {
        if (errno == ENOENT) return {};
        return unexpected(cannot_listen(path, errno_text(errno)));
    }
    if (!S_ISSOCK(st.st_mode))
        return unexpected(cannot_listen(
            path, "there is a file of another kind; move it away, or choose another path"));
    const UniqueFd probe = make_unix_socket(place.type);
    if (!probe) return unexpected(cannot_listen(path, errno_text(errno)));
    const sockaddr_un address = unix_address(path);
    if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno == EAGAIN || errno == EPROTOTYPE)
        return unexpected(cannot_listen(
            path, fmt::format("another program listens on it already; choose another path with {}",
                              place.option)));
    if (errno != ECONNREFUSED) return unexpected(cannot_listen(path, errno_text(errno)));
    if (unlink(path.c_str()) != 0 && errno != ENOENT)
        return unexpected(cannot_listen(
            path, fmt::format("it is stale, and cannot be removed: {}", errno_text(errno))));
    return {};
}

} // namespace

sockaddr_un unix_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), std::min(path.size(), kMaxPath));
    return address;
}

Result<void, StartError> UnixListener::check_path(const UnixPlace& place) {
    if (place.path.size() <= kMaxPath) return {};
    return unexpected(
        StartError{kExitUsage, fmt::format("{}: the path has {} bytes, a Unix socket's has at most "
                                           "{}; choose a shorter one",
                                           place.option, place.path.size(), kMaxPath)});
}

Result<void, StartError> UnixListener::check_place(const UnixPlace& place) {
    if (auto ok = check_path(place); !ok) return ok;
    if (may_access(AT_FDCWD, folder_of(place.path).c_str(), W_OK | X_OK)) return {};
    StartError error = cannot_listen(place.path, errno_text(errno));
    error.exit_status = kExitUsage;
    return unexpected(std::move(error));
}

Result<UnixListener, StartError> UnixListener::open(const UnixPlace& place) {
    if (auto ok = check_path(place); !ok) return unexpected(std::move(ok.error()));
    const std::string& path = place.path;
    const UniqueFd lock = lock_folder(path);
    if (auto ok = make_room(place); !ok) return unexpected(std::move(ok.error()));

    UnixListener listener;
    listener.fd_ = make_unix_socket(place.type);
    if (!listener.fd_) return unexpected(cannot_listen(path, errno_text(errno)));
    set_options_of_clients(listener.fd_.get(), AF_UNIX);
    const sockaddr_un address = unix_address(path);
    const mode_t saved_umask = umask(0777 & ~place.mode);
    const int bound =
        bind(listener.fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const Errno error = Errno::last();
    umask(saved_umask);
    if (bound != 0) return unexpected(cannot_listen(path, errno_text(error.code)));

    listener.remember_file(path);
    if (place.group && lchown(path.c_str(), static_cast<uid_t>(-1), *place.group) != 0)
        return unexpected(cannot_listen(path, fmt::format("it cannot be given to group {}: {}",
                                                          *place.group, errno_text(errno))));
    if (listen(listener.fd_.get(), limits::kListenBacklog) != 0)
        return unexpected(cannot_listen(path, errno_text(errno)));
    return listener;
}

bool UnixListener::is_bound_to(int fd, const std::string& path) {
    sockaddr_un bound{};
    socklen_t size = sizeof bound;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return false;
    if (bound.sun_family != AF_UNIX) return false;
    const std::string name(bound.sun_path, strnlen(bound.sun_path, sizeof bound.sun_path));
    struct stat st {};
    return !name.empty() && absolute_path(name) == absolute_path(path) &&
           lstat(path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode);
}

UnixListener UnixListener::take_over(UniqueFd fd, const std::string& path) {
    UnixListener listener;
    listener.fd_ = std::move(fd);
    set_options_of_clients(listener.fd_.get(), AF_UNIX);
    listener.remember_file(path);
    return listener;
}

void UnixListener::remember_file(const std::string& path) {
    struct stat st {};
    auto absolute = absolute_path(path);
    if (lstat(path.c_str(), &st) != 0 || !absolute) return;
    path_ = std::move(*absolute);
    device_ = st.st_dev;
    inode_ = st.st_ino;
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

UnixListener& UnixListener::operator=(UnixListener&& other) noexcept {
    if (this == &other) return *this;
    remove_file();
    fd_ = std::move(other.fd_);
    path_ = std::exchange(other.path_, {});
    device_ = other.device_;
    inode_ = other.inode_;
    return *this;
}

UnixListener::~UnixListener() {
    remove_file();
}

void UnixListener::forget() {
    path_.clear();
    fd_.reset();
}

void UnixListener::stop_listening() {
    remove_file();
    if (fd_) shutdown(fd_.get(), SHUT_RD);
    fd_.reset();
}

void UnixListener::remove_file() {
    if (path_.empty()) return;
    struct stat st {};
    if (lstat(path_.c_str(), &st) == 0 && st.st_dev == device_ && st.st_ino == inode_)
        unlink(path_.c_str());
    path_.clear();
}

} // namespace fsrv
