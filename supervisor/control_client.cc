#include "supervisor/control_client.h"

#include "common/ctl_command.h"
#include "common/escape.h"
#include "common/heritage.h"
#include "common/log.h"
#include "common/unique_fd.h"
#include "supervisor/unix_listener.h"

#include <cstdio>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace fsrv {
namespace {

int fail(int status, std::string_view text) {
    fmt::print(stderr, "fsrv: {}\n", text);
    return status;
}

std::string why_not_connected(const std::string& path, int error) {
    const std::string where = printable(path);
    if (error == ENOENT || error == ECONNREFUSED)
        return fmt::format("no server listens on \"{}\"; is it running, with this --control?",
                           where);
    if (error == EACCES)
        return fmt::format("\"{}\" is for another user: ask as the one the server was started by",
                           where);
    return fmt::format("cannot reach the server on \"{}\": {}", where, errno_text(error));
}

// The server's answer is one datagram, whose size it says itself.
std::string receive_whole(int socket) {
    ssize_t size = -1;
    do size = recv(socket, nullptr, 0, MSG_PEEK | MSG_TRUNC);
    while (size < 0 && errno == EINTR);
    std::string text(size > 0 ? static_cast<std::size_t>(size) : 0, '\0');
    if (!text.empty() && recv(socket, text.data(), text.size(), 0) != size) text.clear();
    return text;
}

} // namespace

int run_ctl(const std::string& command, const std::string& path) {
    if (!parse_ctl_command(command))
        return fail(kExitUsage, fmt::format("--ctl: expected {}, not \"{}\"",
                                            expected_ctl_command(), printable(command)));
    if (path.empty())
        return fail(kExitUsage, "--ctl: name the server's socket with --control PATH");
    if (auto ok = UnixListener::check_path({.path = path, .option = "--control"}); !ok)
        return fail(kExitUsage, ok.error().message);

    const UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) return fail(kExitFailure, errno_text(errno));
    const sockaddr_un address = unix_address(path);
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail(kExitFailure, why_not_connected(path, errno));
    if (send(socket.get(), command.data(), command.size(), MSG_NOSIGNAL) < 0)
        return fail(kExitFailure, why_not_connected(path, errno));
    const std::string reply = receive_whole(socket.get());
    if (reply.empty())
        return fail(kExitFailure, "the server ended, or hung up, before it had a verdict");
    const bool good = reply[0] == '0';
    fmt::print(good ? stdout : stderr, "{}{}\n", good ? "" : "fsrv: ", reply.substr(1));
    return good ? kExitOk : kExitFailure;
}

} // namespace fsrv
