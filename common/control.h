// What supervisor and worker say to each other: fixed-size datagrams on one AF_UNIX SOCK_SEQPACKET
// pair per worker. End of file tells either side that the other is gone. The supervisor treats what
// it reads as hostile: wrong sizes and unknown kinds are ignored and logged once, and it never
// blocks on a send (a worker that does not read is hanging anyway).
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"

#include <cstdint>
#include <optional>

namespace fsrv {

enum class ControlKind : std::uint32_t {
    // supervisor to worker
    serve = 1, // accept on the sockets of slot `value` too (a neighbour's); its own slot is served
               // from the start
    unserve = 2,  // stop accepting on the sockets of slot `value`; never sent for a worker's own
    drain = 3,    // finish what is under way within `value` ms (0: without a limit), then exit 0
    log_file = 4, // a freshly opened access log travels with the message as SCM_RIGHTS
    retire = 5,   // others serve its sockets now: leave the queues to them, and finish as for drain
    // worker to supervisor
    ready = 16,   // accepting
    leaving = 17, // accepts no more, told to or not; will end by itself
};

struct ControlMessage {
    ControlKind kind{};
    std::uint32_t reserved = 0;
    std::uint64_t value = 0;
};
static_assert(sizeof(ControlMessage) == 16);

struct ControlPair {
    UniqueFd supervisor;
    UniqueFd worker;
};
// No descriptor travels up: refuse_descriptors() where the kernel can, and a worker's sandbox lets
// it send none.
Result<ControlPair, Errno> open_control_pair();

// Non-blocking, no SIGPIPE. False when it could not be sent whole now. `fd` >= 0 travels along.
bool send_control(int socket, const ControlMessage& message, int fd = -1);

enum class ReceiveStatus { message, nothing, closed, malformed };
struct Received {
    ReceiveStatus status{};
    ControlMessage message;
    UniqueFd fd; // one that came along; closed unless taken
};
// One datagram, without blocking.
Received receive_control(int socket);

} // namespace fsrv
