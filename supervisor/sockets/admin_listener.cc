#include "supervisor/sockets/admin_listener.h"

#include "common/option_values.h"
#include "supervisor/sockets/addresses.h"

#include <cerrno>
#include <fmt/format.h>
#include <string_view>
#include <sys/socket.h>

namespace fsrv {
namespace {

constexpr int kBacklog = 64;
constexpr int kSendBuffer = 64 * 1024; // what a client that does not read pins in the kernel
constexpr mode_t kUnixMode = 0660;     // it tells who downloads what

UnixPlace admin_place(const std::string& where) {
    return {.path = where.substr(kUnixPrefix.size()), .option = "--admin", .mode = kUnixMode};
}

Result<UniqueFd, Errno> listen_on(const Address& address) {
    UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return unexpected(Errno::last());
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
    if (bind(fd.get(), address.get(), address.length) != 0 || listen(fd.get(), kBacklog) != 0)
        return unexpected(Errno::last());
    return fd;
}

Address bound_address(int fd) {
    Address address{.length = sizeof address.storage};
    getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.length);
    return address;
}

// Of several sockets the one that listens on this address, or on any port of it where port 0 is
// wanted.
UniqueFd take_matching(std::vector<UniqueFd>& sockets, Address wanted) {
    for (UniqueFd& fd : sockets) {
        if (!fd) continue;
        const Address bound = bound_address(fd.get());
        if (bound.family() != wanted.family()) continue;
        Address same = wanted;
        if (wanted.port() == 0) same.set_port(bound.port());
        if (same_address(bound, same)) return std::move(fd);
    }
    return {};
}

// Those of a predecessor that were not taken are in use still.
std::string_view advice_for(const Address& address, std::span<const UniqueFd> inherited) {
    for (const UniqueFd& fd : inherited)
        if (fd && overlap(bound_address(fd.get()), address))
            return "; the running server has the port, so this takes a restart";
    return {};
}

UniqueFd take_unix(std::vector<UniqueFd>& sockets, const std::string& path) {
    for (UniqueFd& fd : sockets)
        if (fd && UnixListener::is_bound_to(fd.get(), path)) return std::move(fd);
    return {};
}

} // namespace

Result<void, StartError> AdminListener::check(const std::string& where) {
    if (!where.starts_with(kUnixPrefix)) return {};
    return UnixListener::check_place(admin_place(where));
}

Result<AdminListener, StartError> AdminListener::open(const std::string& where,
                                                      std::vector<UniqueFd> inherited) {
    AdminListener admin;
    if (where.starts_with(kUnixPrefix)) {
        const UnixPlace place = admin_place(where);
        UniqueFd known = take_unix(inherited, place.path);
        admin.is_ours_ = !known;
        auto listener = known ? UnixListener::take_over(std::move(known), place.path)
                              : UnixListener::open(place);
        if (!listener) return unexpected(std::move(listener.error()));
        admin.unix_ = std::move(*listener);
        admin.fds_.push_back(admin.unix_->fd());
        admin.url_ = fmt::format("unix:{}", admin.unix_->path());
        return admin;
    }
    if (auto ok = admin.open_tcp(where, std::move(inherited)); !ok)
        return unexpected(std::move(ok.error()));
    return admin;
}

AdminListener::~AdminListener() {
    if (!is_ours_) forget();
}

void AdminListener::forget() {
    if (unix_) unix_->forget();
    sockets_.clear();
    fds_.clear();
}

Result<void, StartError> AdminListener::open_tcp(const std::string& where,
                                                 std::vector<UniqueFd> inherited) {
    const auto wanted = parse_host_port(where);
    auto addresses = resolve_hosts({&wanted->host, 1});
    if (!addresses) {
        return unexpected(StartError{kExitBind, fmt::format("--admin \"{}\": this machine knows no "
                                                            "such address",
                                                            where)});
    }
    std::uint16_t port = wanted->port;
    Errno error;
    std::string_view advice;
    for (Address address : *addresses) {
        address.set_port(port);
        UniqueFd known = take_matching(inherited, address);
        auto fd = known ? Result<UniqueFd, Errno>(std::move(known)) : listen_on(address);
        if (!fd) {
            error = fd.error();
            if (error.code == EAFNOSUPPORT) advice = "; without a network, unix:PATH can be";
            if (error.code == EADDRINUSE) advice = advice_for(address, inherited);
            if (address.optional && error.code == EADDRNOTAVAIL) continue;
            break;
        }
        const Address bound = bound_address(fd->get());
        if (fds_.empty()) url_ = url_of(bound);
        port = bound.port();
        fds_.push_back(fd->get());
        sockets_.push_back(std::move(*fd));
        error = {};
    }
    if (error.code == 0 || (error.code == EADDRNOTAVAIL && !fds_.empty())) return {};
    return unexpected(StartError{kExitBind, fmt::format("cannot listen on --admin {}: {}{}", where,
                                                        errno_text(error.code), advice)});
}

// shutdown() reaches the socket itself, whoever holds copies.
void AdminListener::stop_listening() {
    for (const UniqueFd& fd : sockets_) shutdown(fd.get(), SHUT_RD);
    if (unix_) unix_->stop_listening();
    sockets_.clear();
    fds_.clear();
}

} // namespace fsrv
