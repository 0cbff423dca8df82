#include "tests/support/other_host.h"

#include "tests/support/await.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace fsrv::test {
namespace {

constexpr const char* kFar = "10.213.78.2";

std::uint64_t id_of(const std::string& net_namespace) {
    struct stat state {};
    return ::stat(net_namespace.c_str(), &state) == 0 ? state.st_ino : 0;
}

} // namespace

OtherHost::OtherHost() {
    if (!am_root()) {
        why_not_ = "only root makes network namespaces";
        return;
    }
    holder_ = std::make_unique<Background>(
        std::vector<std::string>{"unshare", "--net", "sleep", "infinity"});
    const std::string path = "/proc/" + std::to_string(holder_->pid()) + "/ns/net";
    if (!await([&] { return id_of(path) != 0 && id_of(path) != id_of("/proc/self/ns/net"); })) {
        why_not_ = "no network namespace";
        return;
    }
    namespace_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const std::string near = "fsrvt" + std::to_string(::getpid());
    const std::string holder = std::to_string(holder_->pid());
    static_cast<void>(
        ip({"link", "add", near, "type", "veth", "peer", "name", "far", "netns", holder}) &&
        ip({"addr", "add", std::string(kNear) + "/30", "dev", near}) &&
        ip({"link", "set", near, "up"}) &&
        ip({"addr", "add", std::string(kFar) + "/30", "dev", "far"}, true) &&
        ip({"link", "set", "far", "up"}, true));
}

bool OtherHost::ip(const std::vector<std::string>& words, bool there) {
    std::vector<std::string> command;
    if (there) command = {"nsenter", "--net=/proc/" + std::to_string(holder_->pid()) + "/ns/net"};
    command.emplace_back("ip");
    command.insert(command.end(), words.begin(), words.end());
    const RunResult result = run(command);
    if (result.exit_status != 0) why_not_ = "ip: " + result.err;
    return result.exit_status == 0;
}

std::unique_ptr<RawClient> OtherHost::connect(std::uint16_t port, ClientSetup setup) const {
    setup.address = kNear;
    std::unique_ptr<RawClient> client;
    // A socket belongs to the namespace that its thread was in when it was made.
    std::thread([&] {
        if (::setns(namespace_.get(), CLONE_NEWNET) == 0)
            client = std::make_unique<RawClient>(port, setup);
    }).join();
    return client;
}

} // namespace fsrv::test
