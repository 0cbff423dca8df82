#include "worker/wire/queue_bound.h"

#include "common/ascii.h"
#include "common/limits.h"
#include "common/unique_fd.h"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

namespace fsrv::wire {
namespace {

constexpr std::uint64_t kOvershoot = 1024 * 1024; // a last packet fits in where a byte does

std::optional<std::uint64_t> setting(const char* path) {
    const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
    char text[128];
    const ssize_t n = file ? ::read(file.get(), text, sizeof text) : -1;
    if (n <= 0) return std::nullopt;
    return last_number({text, static_cast<std::size_t>(n)});
}

} // namespace

std::optional<std::uint64_t> last_number(std::string_view text) {
    while (!text.empty() && text.back() <= ' ') text.remove_suffix(1);
    const std::size_t begin = text.find_last_of(" \t") + 1; // 0 when there is none
    return to_number<std::uint64_t>(text.substr(begin));
}

std::uint64_t most_queued_bytes() {
    const auto sent = setting("/proc/sys/net/ipv4/tcp_wmem");
    const auto received = setting("/proc/sys/net/ipv4/tcp_rmem");
    const auto asked_for =
        setting("/proc/sys/net/core/rmem_max"); // SO_RCVBUF; the kernel doubles it
    if (!sent || !received || !asked_for) return limits::kAssumedQueues;
    return *sent + std::max(*received, 2 * *asked_for) + kOvershoot;
}

} // namespace fsrv::wire
