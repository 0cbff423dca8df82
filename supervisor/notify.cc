#include "supervisor/notify.h"

#include "common/log.h"
#include "common/unique_fd.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>

namespace fsrv {

Notifier::Notifier(const char* socket_name) {
    if (socket_name == nullptr || *socket_name == '\0') return;
    std::string name = socket_name;
    if ((name[0] != '/' && name[0] != '@') || name.size() >= sizeof(sockaddr_un::sun_path)) {
        log_warn("NOTIFY_SOCKET={} is no address of a Unix socket: the service manager is not told",
                 name);
        return;
    }
    if (name[0] == '@') name[0] = '\0';
    address_ = std::move(name);
}

void Notifier::send(std::string_view state) {
    if (address_.empty()) return;
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, address_.data(), address_.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    // A socket per datagram: rare, and the receiver may be replaced between two.
    const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const bool sent =
        socket && sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                         reinterpret_cast<const sockaddr*>(&to),
                         length) == static_cast<ssize_t>(state.size());
    if (sent || complained_) return;
    complained_ = true;
    log_warn("cannot tell the service manager (NOTIFY_SOCKET): {}", errno_text(errno));
}

} // namespace fsrv
