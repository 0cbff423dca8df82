// Binds TCP sockets: per address and slot one, all of an address sharing its port (SO_REUSEPORT).
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "supervisor/sockets/addresses.h"
#include "supervisor/sockets/offered_sockets.h"
#include "supervisor/start_error.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv {

struct TcpPlace {
    std::span<const std::string> hosts; // none: all addresses
    std::uint16_t port = 0;             // 0: any free one, the same for all
    unsigned slots = 1;
    std::string_view option = "--port"; // that chooses it, for messages
};

struct TcpSockets {
    struct Socket {
        UniqueFd fd;
        unsigned slot = 0;
    };
    std::vector<Socket> sockets;
    std::vector<Address> addresses; // those that are bound
    std::uint16_t port = 0;
};

// A port that any other program listens on, another fsrv included, is an error. Of `inherited`,
// what is bound to a wanted address and port (0: any) is taken and not bound again; the rest stays.
Result<TcpSockets, StartError> open_tcp_sockets(TcpPlace place,
                                                std::vector<AdoptedSocket>& inherited);

} // namespace fsrv
