#include "supervisor/ctl/control_socket.h"

#include "supervisor/ctl/ctl_call.h"
#include "supervisor/ctl/ctl_command.h"

#include <algorithm>
#include <array>
#include <sys/socket.h>
#include <unistd.h>

namespace fsrv {

std::string control_path(const Options& options, const char* runtime_directory) {
    if (options.control == "off") return {};
    if (!options.control.empty()) return options.control;
    const std::string_view folders = runtime_directory != nullptr ? runtime_directory : "";
    const std::string_view first = folders.substr(0, folders.find(':'));
    if (first.empty()) return {};
    return std::string(first) + "/control.sock";
}

Result<ControlSocket, StartError> ControlSocket::open(const std::string& path) {
    auto listener = UnixListener::open(
        {.path = path, .option = "--control", .type = SOCK_SEQPACKET, .mode = 0600});
    if (!listener) return unexpected(std::move(listener.error()));
    return ControlSocket(std::move(*listener));
}

Result<ControlSocket, StartError> ControlSocket::adopt(UniqueFd fd, const std::string& path) {
    if (!UnixListener::is_bound_to(fd.get(), path)) return open(path);
    ControlSocket socket(UnixListener::take_over(std::move(fd), path));
    socket.is_ours_ = false;
    return socket;
}

ControlSocket::~ControlSocket() {
    if (!is_ours_) forget();
}

void ControlSocket::own() {
    is_ours_ = true;
}

void ControlSocket::append_fds(std::vector<pollfd>& fds) const {
    if (listener_.fd() >= 0 && is_ours_)
        fds.push_back({.fd = listener_.fd(), .events = POLLIN, .revents = 0});
    for (const Client& client : clients_)
        fds.push_back({.fd = client.fd.get(), .events = POLLIN, .revents = 0});
}

std::vector<ControlSocket::Request> ControlSocket::take_requests() {
    std::vector<Request> requests;
    if (listener_.fd() >= 0 && is_ours_) accept_clients();
    std::erase_if(clients_, [&](Client& client) { return !hear(client, requests); });
    return requests;
}

void ControlSocket::accept_clients() {
    for (std::size_t i = 0; i < kMaxControlClients; ++i) {
        UniqueFd fd(accept4(listener_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!fd) return;
        if (clients_.size() >= kMaxControlClients) make_room();
        if (clients_.size() < kMaxControlClients)
            clients_.push_back({.number = ++last_number_, .fd = std::move(fd)});
    }
}

void ControlSocket::make_room() {
    const auto silent = std::find_if(clients_.begin(), clients_.end(),
                                     [](const Client& client) { return !client.has_asked; });
    if (silent != clients_.end()) clients_.erase(silent);
}

bool ControlSocket::hear(Client& client, std::vector<Request>& requests) {
    std::array<char, kMaxCtlCommand + 1> bytes{};
    const ssize_t size = recv(client.fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size == 0 || client.has_asked || static_cast<std::size_t>(size) > kMaxCtlCommand)
        return false;
    client.has_asked = true;
    requests.push_back(
        {.client = client.number, .text = {bytes.data(), static_cast<std::size_t>(size)}});
    return true;
}

void ControlSocket::answer(unsigned number, bool good, std::string_view text, int fd) {
    const auto client = std::find_if(clients_.begin(), clients_.end(),
                                     [&](const Client& c) { return c.number == number; });
    if (client == clients_.end()) return;
    send_ctl_reply(client->fd.get(), good, text, fd);
    clients_.erase(client);
}

void ControlSocket::forget() {
    clients_.clear();
    listener_.forget();
}

} // namespace fsrv
