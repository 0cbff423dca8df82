// fsrv with a worker that knows no HTTP: it answers every connection with its slot and pid. Linked
// with the supervisor's library alone, so that it does not link should that library come to need
// libuv or llhttp. What a worker does besides, the variable STUB says:
//   exit=N      ends with status N before it is ready
//   slow        finishes only when it must: keeps on living when it drains, until its time is over
//   deaf        never reads its channel
//   silent      never ticks
//   flood       fills its channel with nonsense

#include "common/clock.h"
#include "common/control.h"
#include "common/limits.h"
#include "supervisor/serve.h"

#include <csignal>
#include <cstdlib>
#include <fmt/format.h>
#include <map>
#include <poll.h>
#include <set>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace fsrv {
namespace {

class StubWorker final {
  public:
    explicit StubWorker(Heritage heritage) : heritage_(std::move(heritage)) {
        if (const char* behaviour = getenv("STUB")) behaviour_ = behaviour;
    }

    int run() {
        if (behaviour_.starts_with("exit=")) return std::atoi(behaviour_.data() + 5);
        serves_ = {heritage_.slot, kSharedSlot};
        send_control(heritage_.control.get(), {.kind = ControlKind::ready});
        while (!over_) turn();
        return 0;
    }

  private:
    void turn() {
        if (behaviour_ != "silent") heritage_.score->tick_ms = monotonic_ms();
        if (behaviour_ == "flood")
            while (
                send_control(heritage_.control.get(), {.kind = ControlKind::ready, .value = 7})) {
            }
        std::vector<pollfd> fds;
        if (behaviour_ != "deaf")
            fds.push_back({.fd = heritage_.control.get(), .events = POLLIN, .revents = 0});
        for (const ListenSocket& socket : heritage_.sockets)
            if (!draining_ && serves_.contains(socket.slot))
                fds.push_back({.fd = socket.fd, .events = POLLIN, .revents = 0});
        poll(fds.data(), fds.size(), static_cast<int>(limits::kTickMs));
        for (const pollfd& entry : fds) {
            if (entry.revents == 0) continue;
            if (entry.fd == heritage_.control.get())
                obey();
            else
                answer(entry.fd);
        }
        if (draining_ && (behaviour_ != "slow" || monotonic_ms() >= drain_until_)) over_ = true;
    }

    void answer(int listener) {
        const UniqueFd client(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
        if (!client) return;
        char said[64]; // read, for what is left unread makes the end a reset
        [[maybe_unused]] ssize_t size = recv(client.get(), said, sizeof said, MSG_DONTWAIT);
        const std::string line = fmt::format("slot {} pid {}\n", heritage_.slot, getpid());
        heritage_.score->set_last_request("GET /last-request");
        size = send(client.get(), line.data(), line.size(), MSG_NOSIGNAL);
        if (heritage_.access_log)
            size = write(heritage_.access_log.get(), line.data(), line.size());
    }

    void obey() {
        Received received = receive_control(heritage_.control.get());
        if (received.status == ReceiveStatus::closed) over_ = true;
        if (received.status != ReceiveStatus::message) return;
        const std::uint64_t value = received.message.value;
        switch (received.message.kind) {
        case ControlKind::serve: serves_.insert(static_cast<unsigned>(value)); break;
        case ControlKind::unserve: serves_.erase(static_cast<unsigned>(value)); break;
        case ControlKind::drain:
        case ControlKind::retire:
            draining_ = true;
            drain_until_ = value == 0 ? ~std::uint64_t{0} : monotonic_ms() + value;
            break;
        case ControlKind::log_file: heritage_.access_log = std::move(received.fd); break;
        case ControlKind::ready:
        case ControlKind::leaving: break;
        }
    }

    Heritage heritage_;
    std::string_view behaviour_;
    std::set<unsigned> serves_;
    bool draining_ = false;
    bool over_ = false;
    std::uint64_t drain_until_ = 0;
};

int stub_worker_main(Heritage heritage) {
    return StubWorker(std::move(heritage)).run();
}

} // namespace
} // namespace fsrv

int main(int argc, char** argv) {
    return fsrv::fsrv_main(
        argc, argv, fsrv::stub_worker_main,
        [](std::string_view target) { return std::string(target); }, nullptr);
}
