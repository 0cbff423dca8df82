#include "supervisor/listen_sockets.h"

#include "common/limits.h"
#include "common/log.h"
#include "supervisor/socket_options.h"

#include <algorithm>
#include <fmt/format.h>
#include <netinet/in.h>

namespace fsrv {
namespace {

constexpr unsigned kFreePortAttempts = 64; // a free port of one address may be taken on another

struct BindFailure {
    Errno error;
    Address address;
};

bool set_option(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

Result<UniqueFd, Errno> make_socket(const Address& address, bool shared) {
    UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return unexpected(Errno::last());
    if (address.family() == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR,
               1); // connections of an earlier server may still be in TIME_WAIT
    set_options_of_clients(fd.get(), address.family());
    if (shared && !set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1))
        return unexpected(Errno::last());
    return fd;
}

Result<void, Errno> bind_and_listen(int fd, const Address& address) {
    if (bind(fd, address.get(), address.length) != 0) return unexpected(Errno::last());
    if (listen(fd, limits::kListenBacklog) != 0) return unexpected(Errno::last());
    return {};
}

std::uint16_t port_of(int fd) {
    Address bound{.length = sizeof bound.storage};
    getsockname(fd, reinterpret_cast<sockaddr*>(&bound.storage), &bound.length);
    return bound.port();
}

// Slot 0's socket listens before it shares: the kernel lets only one of any number of rivals come
// so far, of whatever user. Once it shares, those of the other slots can join, and an exclusive
// rival still cannot. Port 0 becomes the one it got.
Result<void, Errno> open_address(Address& address, unsigned slots, std::vector<UniqueFd>& fds) {
    for (unsigned slot = 0; slot < slots; ++slot) {
        auto fd = make_socket(address, slot > 0);
        if (!fd) return unexpected(fd.error());
        if (auto ok = bind_and_listen(fd->get(), address); !ok) return unexpected(ok.error());
        if (slot == 0) {
            address.set_port(port_of(fd->get()));
            if (slots > 1 && !set_option(fd->get(), SOL_SOCKET, SO_REUSEPORT, 1))
                return unexpected(Errno::last());
        }
        fds.push_back(std::move(*fd));
    }
    return {};
}

bool machine_lacks(Errno error) {
    return error.code == EADDRNOTAVAIL || error.code == EAFNOSUPPORT;
}

StartError explain(const BindFailure& failure, std::uint16_t port, bool last_of_many) {
    const std::string where = address_text(failure.address);
    std::string why;
    switch (failure.error.code) {
    case EADDRINUSE:
        why = fmt::format("port {} is in use already on {}, by another program or another fsrv; "
                          "choose another one with --port, or "
                          "any free one with --port 0",
                          port, where);
        break;
    case EACCES:
    case EPERM:
        why = fmt::format("not allowed to use port {} on {}: ports below 1024 want a privilege; "
                          "choose another one with "
                          "--port, start as root with --user, or grant CAP_NET_BIND_SERVICE",
                          port, where);
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

struct Opened {
    std::vector<UniqueFd> fds; // by address, then by slot
    std::vector<Address> addresses;
    std::uint16_t port = 0;
};

Result<Opened, BindFailure> open_all(std::span<const Address> addresses, std::uint16_t port,
                                     unsigned slots) {
    Opened opened{.port = port};
    std::optional<BindFailure> lacking;
    for (Address address : addresses) {
        address.set_port(opened.port);
        if (auto ok = open_address(address, slots, opened.fds); !ok) {
            lacking = BindFailure{ok.error(), address};
            if (!address.optional || !machine_lacks(ok.error())) return unexpected(*lacking);
            log_info("not listening on {}: {}", address_text(address), errno_text(ok.error().code));
            continue;
        }
        opened.port = port_of(opened.fds.back().get());
        opened.addresses.push_back(address);
    }
    if (opened.addresses.empty()) return unexpected(*lacking);
    return opened;
}

Result<Opened, StartError> open_tcp(const ListenSockets::Request& request) {
    auto addresses = resolve_hosts(request.hosts);
    if (!addresses) return unexpected(std::move(addresses.error()));
    for (unsigned attempt = 1;; ++attempt) {
        auto opened = open_all(*addresses, request.port, request.slots);
        if (opened) return std::move(*opened);
        if (request.port == 0 && opened.error().error.code == EADDRINUSE &&
            attempt < kFreePortAttempts)
            continue;
        return unexpected(explain(opened.error(), request.port, addresses->size() > 1));
    }
}

} // namespace

Result<ListenSockets, StartError> ListenSockets::open(Request request) {
    ListenSockets result;
    if (auto ok = request.offered.empty()
                      ? result.bind_own(request)
                      : result.adopt_offered(std::move(request.offered), request.slots);
        !ok)
        return unexpected(std::move(ok.error()));
    if (!request.unix_path.empty()) {
        auto listener = UnixListener::open({.path = request.unix_path});
        if (!listener) return unexpected(std::move(listener.error()));
        result.unix_ = std::move(*listener);
        result.unix_names_.push_back(result.unix_->path());
        result.sockets_.push_back(
            {.fd = result.unix_->fd(), .slot = kSharedSlot, .unix_socket = true});
    }
    return result;
}

Result<void, StartError> ListenSockets::bind_own(const Request& request) {
    auto tcp = open_tcp(request);
    if (!tcp) return unexpected(std::move(tcp.error()));
    fds_ = std::move(tcp->fds);
    addresses_ = std::move(tcp->addresses);
    port_ = tcp->port;
    for (std::size_t i = 0; i < fds_.size(); ++i)
        sockets_.push_back({.fd = fds_[i].get(), .slot = static_cast<unsigned>(i % request.slots)});
    return {};
}

Result<void, StartError> ListenSockets::adopt_offered(std::vector<OfferedSocket> offered,
                                                      unsigned slots) {
    held_by_others_ = true;
    std::vector<AdoptedSocket> adopted;
    for (OfferedSocket& one : offered) {
        auto socket = adopt(std::move(one));
        if (!socket) return unexpected(std::move(socket.error()));
        adopted.push_back(std::move(*socket));
    }
    for (std::size_t i = 0; i < adopted.size(); ++i) {
        AdoptedSocket& socket = adopted[i];
        if (!socket.path.empty()) {
            unix_names_.push_back(socket.path);
            sockets_.push_back({.fd = socket.fd.get(), .slot = kSharedSlot, .unix_socket = true});
            continue;
        }
        const auto is_alike = [&](const AdoptedSocket& other) {
            return other.path.empty() && same_address(other.address, socket.address);
        };
        const auto here = adopted.begin() + static_cast<std::ptrdiff_t>(i);
        const auto before =
            static_cast<std::size_t>(std::count_if(adopted.begin(), here, is_alike));
        const auto all =
            static_cast<std::size_t>(std::count_if(adopted.begin(), adopted.end(), is_alike));
        sockets_.push_back({.fd = socket.fd.get(), .slot = slot_for(before, all, slots)});
        if (before > 0) continue;
        port_ = port_ == 0 ? socket.address.port() : port_;
        addresses_.push_back(socket.address);
        if (socket.all_ip) addresses_.push_back(any_ipv4(socket.address.port()));
    }
    for (AdoptedSocket& socket : adopted) fds_.push_back(std::move(socket.fd));
    return {};
}

void ListenSockets::stop_listening() {
    // Workers hold copies; shutdown() reaches the socket itself, also where a hanging worker would
    // keep it listening. It would reach those who hold offered sockets as well.
    if (!held_by_others_)
        for (const UniqueFd& fd : fds_) shutdown(fd.get(), SHUT_RD);
    if (unix_) unix_->stop_listening();
    fds_.clear();
    sockets_.clear();
}

} // namespace fsrv
