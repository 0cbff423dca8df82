#include "supervisor/sockets/offered_sockets.h"

#include "common/ascii.h"
#include "common/log.h"
#include "supervisor/environment.h"
#include "supervisor/sockets/socket_options.h"

#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <optional>
#include <string_view>
#include <sys/un.h>
#include <unistd.h>

namespace fsrv {
namespace {

int option(int fd, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    return getsockopt(fd, level, name, &value, &length) == 0 ? value : -1;
}

StartError not_to_serve_on(const OfferedSocket& offered, std::string_view why) {
    return {kExitBind,
            fmt::format("cannot serve on the offered descriptor {}{}: {}", offered.fd.get(),
                        offered.name.empty() ? "" : fmt::format(" (\"{}\")", offered.name), why)};
}

std::string unix_name(const Address& address) {
    const auto& un = reinterpret_cast<const sockaddr_un&>(address.storage);
    if (address.length <= offsetof(sockaddr_un, sun_path)) return "(unnamed)";
    std::string name(un.sun_path, address.length - offsetof(sockaddr_un, sun_path));
    if (name[0] == '\0')
        name[0] = '@';
    else
        name.resize(std::strlen(name.c_str()));
    return name;
}

} // namespace

Offer take_offer() {
    const auto pid = take_variable("LISTEN_PID");
    const auto count_text = take_variable("LISTEN_FDS");
    const auto names_text = take_variable("LISTEN_FDNAMES");
    if (!pid || !count_text || to_number<unsigned>(*pid) != static_cast<unsigned>(getpid()))
        return {};
    const auto count = to_number<unsigned>(*count_text);
    if (!count || *count > kMaxOfferedSockets)
        return {.problem = fmt::format("LISTEN_FDS={} is no number from 0 to {}", *count_text,
                                       kMaxOfferedSockets)};
    Offer offer;
    std::string_view names = names_text ? std::string_view(*names_text) : std::string_view();
    for (unsigned i = 0; i < *count; ++i) {
        const int fd = kFirstOfferedFd + static_cast<int>(i);
        if (fcntl(fd, F_GETFD) < 0)
            return {.problem = fmt::format("LISTEN_FDS={} is not true: descriptor {} is not open",
                                           *count, fd)};
        offer.sockets.push_back({.fd = UniqueFd(fd), .name = std::string(take_before(names, ':'))});
    }
    return offer;
}

Result<AdoptedSocket, StartError> adopt(OfferedSocket offered) {
    const int fd = offered.fd.get();
    Address address{.length = sizeof address.storage};
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.length) != 0)
        return unexpected(not_to_serve_on(offered, "it is no socket"));
    const int family = address.family();
    if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
        return unexpected(
            not_to_serve_on(offered, "it is neither IPv4 nor IPv6 nor a Unix socket"));
    if (option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
        return unexpected(
            not_to_serve_on(offered, "it is no stream socket; make it with ListenStream="));
    if (option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1)
        return unexpected(
            not_to_serve_on(offered, "it does not listen; a socket unit has to say Accept=no"));
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
        return unexpected(not_to_serve_on(offered, errno_text(errno)));
    set_options_of_clients(fd, family);
    AdoptedSocket adopted{
        .fd = std::move(offered.fd), .address = address, .name = std::move(offered.name)};
    if (family == AF_UNIX)
        adopted.path = unix_name(address);
    else
        adopted.all_ip =
            family == AF_INET6 && address.is_any() && option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
    return adopted;
}

unsigned slot_for(std::size_t index, std::size_t count, unsigned slots) {
    return count < slots ? kSharedSlot : static_cast<unsigned>(index % slots);
}

} // namespace fsrv
