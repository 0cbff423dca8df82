#include "supervisor/sockets/socket_options.h"

#include "common/limits.h"
#include "common/pacing.h"
#include "common/passed_fd.h"

#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string_view>
#include <sys/socket.h>

namespace fsrv {
namespace {

bool is_loopback(int listener) {
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    if (getsockname(listener, reinterpret_cast<sockaddr*>(&bound), &length) != 0) return false;
    if (bound.ss_family == AF_INET) {
        sockaddr_in four{};
        std::memcpy(&four, &bound, sizeof four);
        return ntohl(four.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    sockaddr_in6 six{};
    std::memcpy(&six, &bound, sizeof six);
    return IN6_IS_ADDR_LOOPBACK(&six.sin6_addr);
}

} // namespace

bool set_option(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

void set_options_of_clients(int listener, int family) {
    if (family == AF_UNIX) {
        set_option(listener, SOL_SOCKET, SO_SNDBUF, limits::kUnixSendBuffer);
        refuse_descriptors(listener);
        return;
    }
    set_option(listener, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
    // There is no path to probe, and a pacing algorithm (BBR) costs a timer for every few packets.
    if (is_loopback(listener) && is_paced(listener)) {
        constexpr std::string_view kUnpaced = "reno";
        setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, kUnpaced.data(), kUnpaced.size());
    }
    set_option(listener, IPPROTO_TCP, TCP_NOTSENT_LOWAT, limits::kNotSentLowat);
    // A connection is accepted with its first bytes, so it is answered without being waited for.
    set_option(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, limits::kDeferAcceptSeconds);
}

} // namespace fsrv
