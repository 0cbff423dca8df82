#include "common/pacing.h"

#include <array>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string_view>
#include <sys/socket.h>

namespace fsrv {

bool is_paced(int socket) {
    std::array<char, 16> name{}; // TCP_CA_NAME_MAX
    socklen_t length = name.size() - 1;
    return getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), &length) == 0 &&
           std::string_view(name.data()).starts_with("bbr");
}

} // namespace fsrv
