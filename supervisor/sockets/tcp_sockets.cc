#include "supervisor/sockets/tcp_sockets.h"

#include "common/limits.h"
#include "common/log.h"
#include "supervisor/sockets/socket_options.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <optional>

namespace fsrv {
namespace {

constexpr unsigned kFreePortAttempts = 64; // a free port of one address may be taken on another

struct BindFailure {
    Errno error;
    Address address;
};

Result<UniqueFd, Errno> make_tcp_socket(const Address& address, bool shared) {
    UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return unexpected(Errno::last());
    if (address.family() == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR,
               1); // connections of an earlier server may still be in TIME_WAIT
    if (shared && !set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1))
        return unexpected(Errno::last());
    return fd;
}

Result<void, Errno> bind_and_listen(int fd, const Address& address) {
    if (bind(fd, address.get(), address.length) != 0) return unexpected(Errno::last());
    set_options_of_clients(fd, address.family());
    if (listen(fd, limits::kListenBacklog) != 0) return unexpected(Errno::last());
    return {};
}

std::uint16_t port_of(int fd) {
    Address bound{.length = sizeof bound.storage};
    getsockname(fd, reinterpret_cast<sockaddr*>(&bound.storage), &bound.length);
    return bound.port();
}

// Those of a predecessor that are bound to the address, all of them, even more than slots: each
// has a queue that somebody must empty. Where they are fewer, all slots share them.
Result<void, Errno> take_inherited(Address& address, unsigned slots,
                                   std::vector<AdoptedSocket>& inherited,
                                   std::vector<UniqueFd>& fds) {
    for (AdoptedSocket& socket : inherited) {
        if (!socket.fd || !socket.path.empty()) continue;
        Address wanted = address;
        if (wanted.port() == 0) wanted.set_port(socket.address.port());
        if (!same_address(wanted, socket.address)) continue;
        address.set_port(wanted.port());
        if (slots > 1 && !set_option(socket.fd.get(), SOL_SOCKET, SO_REUSEPORT, 1))
            return unexpected(Errno::last());
        fds.push_back(std::move(socket.fd));
    }
    return {};
}

// The first socket listens before it shares: the kernel lets only one of any number of rivals come
// so far, of whatever user. Once it shares, those of the other slots can join, and an exclusive
// rival still cannot. Port 0 becomes the one it got.
Result<void, Errno> open_address(Address& address, unsigned slots,
                                 std::vector<AdoptedSocket>& inherited, TcpSockets& opened) {
    std::vector<UniqueFd> fds;
    if (auto ok = take_inherited(address, slots, inherited, fds); !ok) return ok;
    // What a predecessor bound is shared by all slots where it is too little: a socket of our own
    // would take clients before it is known whether this server will stay, and close on them if
    // not.
    const std::size_t wanted = fds.empty() ? slots : fds.size();
    while (fds.size() < wanted) {
        const bool first = fds.empty();
        auto fd = make_tcp_socket(address, !first);
        if (!fd) return unexpected(fd.error());
        if (auto ok = bind_and_listen(fd->get(), address); !ok) return unexpected(ok.error());
        if (first) {
            address.set_port(port_of(fd->get()));
            if (slots > 1 && !set_option(fd->get(), SOL_SOCKET, SO_REUSEPORT, 1))
                return unexpected(Errno::last());
        }
        fds.push_back(std::move(*fd));
    }
    for (std::size_t i = 0; i < fds.size(); ++i)
        opened.sockets.push_back({std::move(fds[i]), slot_for(i, fds.size(), slots)});
    return {};
}

bool machine_lacks(Errno error) {
    return error.code == EADDRNOTAVAIL || error.code == EAFNOSUPPORT;
}

// Of those that were not taken the one that keeps us from the address; null: it is somebody else's.
const AdoptedSocket* in_the_way(const Address& address, std::span<const AdoptedSocket> inherited) {
    for (const AdoptedSocket& socket : inherited)
        if (socket.fd && socket.path.empty() && overlap(socket.address, address)) return &socket;
    return nullptr;
}

StartError why_not_bound(const BindFailure& failure, const TcpPlace& place, bool last_of_many,
                         std::span<const AdoptedSocket> inherited) {
    const std::uint16_t port = place.port;
    const std::string where = address_text(failure.address);
    std::string why;
    switch (failure.error.code) {
    case EADDRINUSE:
        if (const AdoptedSocket* socket = in_the_way(failure.address, inherited)) {
            why =
                fmt::format("the running server has port {} on {}, which keeps {} from being bound "
                            "beside it: this takes a restart",
                            port, address_text(socket->address), where);
            break;
        }
        why = fmt::format("port {} is in use already on {}, by another program or another fsrv; "
                          "choose another one with {}{}",
                          port, where, place.option,
                          place.option == "--port" ? ", or any free one with --port 0" : "");
        break;
    case EACCES:
    case EPERM:
        why = fmt::format("not allowed to use port {} on {}: ports below 1024 want a privilege; "
                          "choose another one with "
                          "{}, start as root with --user, or grant CAP_NET_BIND_SERVICE",
                          port, where, place.option);
        break;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        why = fmt::format("this machine does not have the address {}{}; see \"ip address\"", where,
                          last_of_many ? ", nor any other one that was asked for" : "");
        break;
    case EMFILE:
    case ENFILE:
        why = fmt::format("cannot listen on {} port {}: {}; use fewer --workers, or raise the "
                          "limit of open files",
                          where, port, errno_text(failure.error.code));
        break;
    default:
        why = fmt::format("cannot listen on {} port {}: {}", where, port,
                          errno_text(failure.error.code));
    }
    return {kExitBind, why, failure.error.code};
}

Result<TcpSockets, BindFailure> open_all(std::span<const Address> addresses, std::uint16_t port,
                                         unsigned slots, std::vector<AdoptedSocket>& inherited) {
    TcpSockets opened{.port = port};
    std::optional<BindFailure> lacking;
    for (Address address : addresses) {
        address.set_port(opened.port);
        if (auto ok = open_address(address, slots, inherited, opened); !ok) {
            lacking = BindFailure{ok.error(), address};
            if (!address.optional || !machine_lacks(ok.error())) return unexpected(*lacking);
            log_info("not listening on {}: {}", address_text(address), errno_text(ok.error().code));
            continue;
        }
        opened.port = address.port();
        opened.addresses.push_back(address);
    }
    if (opened.addresses.empty()) return unexpected(*lacking);
    return opened;
}

} // namespace

Result<TcpSockets, StartError> open_tcp_sockets(TcpPlace place,
                                                std::vector<AdoptedSocket>& inherited) {
    auto addresses = resolve_hosts(place.hosts);
    if (!addresses) return unexpected(std::move(addresses.error()));
    const bool may_choose = place.port == 0 && inherited.empty();
    for (unsigned attempt = 1;; ++attempt) {
        auto opened = open_all(*addresses, place.port, place.slots, inherited);
        if (opened) return std::move(*opened);
        if (may_choose && opened.error().error.code == EADDRINUSE && attempt < kFreePortAttempts)
            continue;
        return unexpected(why_not_bound(opened.error(), place, addresses->size() > 1, inherited));
    }
}

} // namespace fsrv
