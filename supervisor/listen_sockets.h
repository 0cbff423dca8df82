// The sockets that the server accepts on: bound and listening once, before the first worker, or
// offered by the service manager, and open until the server stops. A queue of connections hence
// outlives every worker; see docs/DESIGN.md.
#pragma once

#include "common/heritage.h"
#include "common/result.h"
#include "supervisor/addresses.h"
#include "supervisor/offered_sockets.h"
#include "supervisor/start_error.h"
#include "supervisor/unix_listener.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace fsrv {

class ListenSockets final {
  public:
    struct Request {
        std::span<const std::string> hosts; // none: all addresses
        std::uint16_t port = 0;             // 0: any free one, the same for all
        std::string unix_path;              // empty: none
        unsigned slots = 1;
        std::vector<OfferedSocket> offered; // when there are any, instead of hosts and port
    };
    // Per address and slot one TCP socket, and one Unix socket for all. A port that any other
    // program listens on, another fsrv included, is an error although the sockets share it among
    // each other (SO_REUSEPORT). Offered sockets are all served, however many there are: see
    // slot_for().
    static Result<ListenSockets, StartError> open(Request request);

    ListenSockets() = default;
    ListenSockets(ListenSockets&&) noexcept = default;
    ListenSockets& operator=(ListenSockets&&) noexcept = default;
    ~ListenSockets() = default; // closes, and removes the Unix socket's file

    std::span<const ListenSocket> sockets() const { return sockets_; }
    std::span<const Address> addresses() const { return addresses_; } // those that are bound
    std::uint16_t port() const { return port_; } // of the first address; 0: there is none
    std::span<const std::string> unix_names() const { return unix_names_; } // absolute, or "@name"

    // From now on a new connection is refused, whoever holds copies of these sockets: what waits in
    // a queue is reset. Offered sockets are only closed: who offered them has them still, and their
    // queues wait for the next server.
    void stop_listening();

  private:
    Result<void, StartError> bind_own(const Request& request);
    Result<void, StartError> adopt_offered(std::vector<OfferedSocket> offered, unsigned slots);

    std::vector<ListenSocket> sockets_; // borrowed from fds_ and unix_
    std::vector<UniqueFd> fds_;
    std::vector<Address> addresses_;
    std::uint16_t port_ = 0;
    std::optional<UnixListener> unix_;
    std::vector<std::string> unix_names_;
    bool held_by_others_ = false; // fds_ were offered
};

} // namespace fsrv
