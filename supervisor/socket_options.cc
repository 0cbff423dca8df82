#include "supervisor/socket_options.h"

#include "common/limits.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace fsrv {
namespace {

void set_option(int fd, int level, int name, int value) {
    setsockopt(fd, level, name, &value, sizeof value);
}

} // namespace

void set_options_of_clients(int listener, int family) {
    if (family == AF_UNIX) {
        set_option(listener, SOL_SOCKET, SO_SNDBUF, limits::kUnixSendBuffer);
        return;
    }
    set_option(listener, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(listener, IPPROTO_TCP, TCP_NOTSENT_LOWAT, limits::kNotSentLowat);
    // A connection is accepted with its first bytes, so it is answered without being waited for.
    set_option(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, limits::kDeferAcceptSeconds);
}

} // namespace fsrv
