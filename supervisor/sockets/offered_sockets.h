// Listening sockets that somebody else has bound and offers to us at start: the service manager's
// socket activation, sd_listen_fds(3), or in the same way a predecessor that we are to replace.
// Whoever offers a socket has it too, so its queue outlives this server, and shutdown() on it would
// end it for everybody.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "supervisor/sockets/addresses.h"
#include "supervisor/start_error.h"

#include <string>
#include <string_view>
#include <sys/socket.h>
#include <vector>

namespace fsrv {

inline constexpr int kFirstOfferedFd = 3;
inline constexpr unsigned kMaxOfferedSockets = 4096; // more is a mistake

// The name of a predecessor's sockets, which follow the configuration: they take the place of those
// that it asks for. All others are the service manager's, and are served whatever it says.
inline constexpr std::string_view kInheritedName = "fsrv-inherited";

struct OfferedSocket {
    UniqueFd fd;
    std::string name; // of LISTEN_FDNAMES; empty: none
};

struct Offer {
    std::vector<OfferedSocket> sockets; // numbered from kFirstOfferedFd on, without a gap
    std::string problem;                // why LISTEN_* cannot be true; then there are no sockets
};

// What LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES say, which leave the environment. Those of another
// process, which were not meant for us, are ignored. Call it before anything opens a descriptor:
// what it does not take may be any file's.
Offer take_offer();

// An offered socket that is fit to accept clients on.
struct AdoptedSocket {
    UniqueFd fd;         // non-blocking, close-on-exec, with the options of socket_options.h
    Address address;     // TCP: where it is bound
    bool all_ip = false; // bound to ::, and takes IPv4 too
    std::string path;    // Unix: its name, or "@name"; empty: TCP
    std::string name;    // as offered
};

// Refused, with a reason that names the socket: what is no stream socket of a family that fsrv
// speaks, and what does not listen.
Result<AdoptedSocket, StartError> adopt(OfferedSocket offered);

// Whose the `index`-th of `count` sockets of one address is: with as many as slots, or more, each
// slot has its own and all are taken; with fewer all slots accept on all of them (kSharedSlot).
unsigned slot_for(std::size_t index, std::size_t count, unsigned slots);

} // namespace fsrv
