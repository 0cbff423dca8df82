#include "worker/admin/admin_main.h"

#include "worker/admin/admin_server.h"

#include <unistd.h>

namespace fsrv::admin {

int admin_main(Heritage heritage, int terminate_fd) {
    // Copies that this process has no use for: a socket that nobody here accepts on would keep its
    // queue alive.
    for (const ListenSocket& socket : heritage.sockets) ::close(socket.fd);
    if (heritage.root_fd >= 0) ::close(heritage.root_fd);
    AdminServer server(std::move(heritage), terminate_fd);
    return server.run();
}

} // namespace fsrv::admin
