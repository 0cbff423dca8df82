#include "tests/support/free_port.h"

#include "common/unique_fd.h"

#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace fsrv::test {
namespace {

constexpr unsigned kFirst = 10'000, kCount = 20'000; // ip_local_port_range begins at 32768

bool is_free(std::uint16_t port) {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

} // namespace

std::uint16_t free_port() {
    static unsigned next = static_cast<unsigned>(::getpid()) * 37;
    for (unsigned tries = 0; tries < kCount; ++tries) {
        const auto port = static_cast<std::uint16_t>(kFirst + next++ % kCount);
        if (is_free(port)) return port;
    }
    throw std::runtime_error("no port is free");
}

} // namespace fsrv::test
