#include "supervisor/sockets/listen_sockets.h"

#include "common/limits.h"

#include <algorithm>
#include <fcntl.h>
#include <sys/socket.h>

namespace fsrv {
namespace {

bool make_nonblocking(int fd) {
    const int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

bool stop_lingering(int fd) {
    linger found{};
    socklen_t size = sizeof found;
    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &found, &size) != 0 || found.l_onoff == 0)
        return false;
    found = {};
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &found, sizeof found) == 0;
}

// One that was bound to any free port has lost it by being shut, although getsockname() still says
// it; one that has not stays as it is bound.
bool listen_again(int fd, std::uint16_t port) {
    int listens = 1;
    socklen_t size = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens != 0)
        return false;
    Address address{.length = sizeof address.storage};
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.length) == 0 &&
        address.family() != AF_UNIX) {
        if (address.port() == 0) address.set_port(port);
        bind(fd, address.get(), address.length);
    }
    return listen(fd, limits::kListenBacklog) == 0;
}

bool mend_socket(const ListenSocket& socket, std::uint16_t port) {
    const bool blocked = make_nonblocking(socket.fd);
    const bool lingered = stop_lingering(socket.fd);
    return listen_again(socket.fd, port) || blocked || lingered;
}

} // namespace

Result<ListenSockets, StartError> ListenSockets::open(Request request) {
    ListenSockets result;
    std::vector<AdoptedSocket> inherited, activated;
    for (OfferedSocket& one : request.offered) {
        auto socket = adopt(std::move(one));
        if (!socket) return unexpected(std::move(socket.error()));
        (socket->name == kInheritedName ? inherited : activated).push_back(std::move(*socket));
    }
    result.shared_ = !inherited.empty();
    if (!activated.empty())
        result.serve_activated(std::move(activated), request);
    else if (auto ok = result.bind_own(request, inherited); !ok)
        return unexpected(std::move(ok.error()));
    if (!request.unix_socket.path.empty())
        if (auto ok = result.open_unix(request.unix_socket, inherited); !ok)
            return unexpected(std::move(ok.error()));
    return result;
}

ListenSockets::~ListenSockets() {
    if (shared_ && unix_) unix_->forget();
}

Result<void, StartError> ListenSockets::bind_own(const Request& request,
                                                 std::vector<AdoptedSocket>& inherited) {
    auto tcp = open_tcp_sockets(
        {.hosts = request.hosts, .port = request.port, .slots = request.slots}, inherited);
    if (!tcp) return unexpected(std::move(tcp.error()));
    addresses_ = tcp->addresses;
    port_ = tcp->port;
    keep(std::move(*tcp), 0);
    if (request.redirect_port == 0) return {};
    auto clear = open_tcp_sockets({.hosts = request.hosts,
                                   .port = request.redirect_port,
                                   .slots = request.slots,
                                   .option = "--redirect-port"},
                                  inherited);
    if (!clear) return unexpected(std::move(clear.error()));
    redirect_port_ = clear->port;
    keep(std::move(*clear), port_);
    return {};
}

void ListenSockets::keep(TcpSockets bound, std::uint16_t redirects_to) {
    for (TcpSockets::Socket& socket : bound.sockets) {
        sockets_.push_back(
            {.fd = socket.fd.get(), .slot = socket.slot, .redirects_to = redirects_to});
        names_.emplace_back(kInheritedName);
        fds_.push_back(std::move(socket.fd));
    }
}

void ListenSockets::serve_activated(std::vector<AdoptedSocket> activated, const Request& request) {
    activated_ = true;
    redirect_port_ = request.redirect_port;
    const auto redirects = [&](const AdoptedSocket& socket) {
        return socket.path.empty() && redirect_port_ != 0 &&
               socket.address.port() == redirect_port_;
    };
    for (const AdoptedSocket& socket : activated)
        if (port_ == 0 && socket.path.empty() && !redirects(socket)) port_ = socket.address.port();
    for (std::size_t i = 0; i < activated.size(); ++i) {
        AdoptedSocket& socket = activated[i];
        names_.push_back(socket.name);
        if (!socket.path.empty()) {
            unix_names_.push_back(socket.path);
            sockets_.push_back({.fd = socket.fd.get(), .slot = kSharedSlot, .unix_socket = true});
            continue;
        }
        const auto is_alike = [&](const AdoptedSocket& other) {
            return other.path.empty() && same_address(other.address, socket.address);
        };
        const auto here = activated.begin() + static_cast<std::ptrdiff_t>(i);
        const auto before =
            static_cast<std::size_t>(std::count_if(activated.begin(), here, is_alike));
        const auto all =
            static_cast<std::size_t>(std::count_if(activated.begin(), activated.end(), is_alike));
        sockets_.push_back({.fd = socket.fd.get(),
                            .slot = slot_for(before, all, request.slots),
                            .redirects_to = redirects(socket) ? port_ : std::uint16_t{0}});
        if (before > 0 || redirects(socket)) continue;
        addresses_.push_back(socket.address);
        if (socket.all_ip) addresses_.push_back(any_ipv4(socket.address.port()));
    }
    for (AdoptedSocket& socket : activated) fds_.push_back(std::move(socket.fd));
}

Result<void, StartError> ListenSockets::open_unix(const UnixPlace& place,
                                                  std::vector<AdoptedSocket>& inherited) {
    const std::string& path = place.path;
    const auto is_it = [&](const AdoptedSocket& socket) {
        return socket.fd && UnixListener::is_bound_to(socket.fd.get(), path);
    };
    const auto found = std::find_if(inherited.begin(), inherited.end(), is_it);
    auto listener = found != inherited.end() ? UnixListener::take_over(std::move(found->fd), path)
                                             : UnixListener::open(place);
    if (!listener) return unexpected(std::move(listener.error()));
    unix_ = std::move(*listener);
    unix_names_.push_back(unix_->path());
    sockets_.push_back({.fd = unix_->fd(), .slot = kSharedSlot, .unix_socket = true});
    names_.emplace_back(kInheritedName);
    return {};
}

std::vector<ListenSockets::Handed> ListenSockets::for_successor() const {
    std::vector<Handed> all;
    for (std::size_t i = 0; i < sockets_.size(); ++i)
        all.push_back({.fd = sockets_[i].fd, .name = names_[i]});
    return all;
}

unsigned ListenSockets::mend() const {
    unsigned mended = 0;
    for (const ListenSocket& socket : sockets_) {
        const std::uint16_t port = socket.redirects_to != 0 ? redirect_port_ : port_;
        mended += mend_socket(socket, port) ? 1 : 0;
    }
    return mended;
}

void ListenSockets::stop_listening() {
    // Workers hold copies; shutdown() reaches the socket itself, also where a hanging worker would
    // keep it listening. It would reach others who hold the sockets as well.
    if (!activated_ && !shared_)
        for (const UniqueFd& fd : fds_) shutdown(fd.get(), SHUT_RD);
    if (unix_) shared_ ? unix_->forget() : unix_->stop_listening();
    fds_.clear();
    sockets_.clear();
    names_.clear();
}

} // namespace fsrv
