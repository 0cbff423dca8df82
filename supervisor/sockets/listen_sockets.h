// The sockets that the server accepts on: bound and listening once, before the first worker, or
// offered by the service manager, and open until the server stops. A queue of connections hence
// outlives every worker; see docs/DESIGN.md.
#pragma once

#include "common/heritage.h"
#include "common/result.h"
#include "supervisor/sockets/addresses.h"
#include "supervisor/sockets/offered_sockets.h"
#include "supervisor/sockets/tcp_sockets.h"
#include "supervisor/sockets/unix_listener.h"
#include "supervisor/start_error.h"

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
        std::uint16_t redirect_port = 0;    // likewise in clear, to send all to `port`; 0: none
        UnixPlace unix_socket{};            // without a path: none
        unsigned slots = 1;
        std::vector<OfferedSocket> offered;
    };
    // Per address, port and slot one TCP socket, and one Unix socket for all. A port that any other
    // program listens on, another fsrv included, is an error although the sockets share it among
    // each other (SO_REUSEPORT).
    //
    // Offered sockets of the service manager are served instead of hosts and ports, all of them,
    // however many: see slot_for(). Those of the redirect port redirect. Those of a predecessor
    // (kInheritedName) take the place of what would be bound to the same address or path, however
    // many: so nobody waits on a socket that an upgrade which fails would close. What is no longer
    // wanted is closed.
    static Result<ListenSockets, StartError> open(Request request);

    ListenSockets() = default;
    ListenSockets(ListenSockets&&) noexcept = default;
    ListenSockets& operator=(ListenSockets&&) noexcept = default;
    ~ListenSockets(); // closes, and removes the Unix socket's file unless it is shared

    std::span<const ListenSocket> sockets() const { return sockets_; }
    // Those that are bound, but for the redirect port.
    std::span<const Address> addresses() const { return addresses_; }
    std::uint16_t port() const { return port_; } // of the first address; 0: there is none
    std::span<const std::string> unix_names() const { return unix_names_; } // absolute, or "@name"

    bool activated() const { return activated_; } // the service manager's are served

    // What a successor has to be offered, in this order, to go on with the same sockets.
    struct Handed {
        int fd = -1;
        std::string name;
    };
    std::vector<Handed> for_successor() const;

    // While a predecessor or a successor serves the same sockets, the end of ours must not be
    // theirs. They are shared from the start when any was inherited.
    void set_shared(bool shared) { shared_ = shared; }

    // Whoever holds a copy of a socket can shut it, make it block, or have those that are accepted
    // on it linger in close(). Undone here; how many of the sockets had it. A Unix socket that is
    // shut stays so.
    unsigned mend() const;

    // From now on a new connection is refused, whoever holds copies of these sockets: what waits in
    // a queue is reset. Those of the service manager, and shared ones, are only closed: their
    // queues wait for the other server or the next one.
    void stop_listening();

  private:
    Result<void, StartError> bind_own(const Request& request,
                                      std::vector<AdoptedSocket>& inherited);
    void keep(TcpSockets bound, std::uint16_t redirects_to);
    void serve_activated(std::vector<AdoptedSocket> activated, const Request& request);
    Result<void, StartError> open_unix(const UnixPlace& place,
                                       std::vector<AdoptedSocket>& inherited);

    std::vector<ListenSocket> sockets_; // borrowed from fds_ and unix_
    std::vector<std::string> names_;    // of each, for a successor
    std::vector<UniqueFd> fds_;
    std::vector<Address> addresses_;
    std::uint16_t port_ = 0, redirect_port_ = 0;
    std::optional<UnixListener> unix_;
    std::vector<std::string> unix_names_;
    bool activated_ = false; // fds_ are the service manager's
    bool shared_ = false;
};

} // namespace fsrv
