#include "supervisor/start/handover.h"

#include "common/ascii.h"
#include "common/escape.h"
#include "supervisor/environment.h"

#include <array>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>

namespace fsrv {
namespace {

constexpr std::size_t kMaxWhy = 1000; // bytes of an explanation

} // namespace

namespace handover {

bool say(int channel, char what, std::string_view text) {
    const std::string message = what + std::string(text.substr(0, kMaxWhy));
    return send(channel, message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
           static_cast<ssize_t>(message.size());
}

std::optional<std::string> listen_to(int channel) {
    std::array<char, kMaxWhy + 1> bytes{};
    const ssize_t size = recv(channel, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    return std::string(bytes.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
}

// "2 control fsrv-inherited:fsrv-inherited": so many sockets, whether there is a control socket,
// and the sockets' names, which hold no colon.
std::string describe(const Legacy& legacy) {
    std::string names;
    for (const ListenSockets::Handed& socket : legacy.sockets)
        names += (names.empty() ? "" : ":") + socket.name;
    return fmt::format("{} {} {}", legacy.sockets.size(), legacy.control >= 0 ? "control" : "-",
                       names);
}

} // namespace handover

Inheritance take_inheritance() {
    const auto text = take_variable(handover::kVariable);
    if (!text) return {};
    std::string_view words = *text;
    const auto given = to_number<unsigned>(take_before(words, ' '));
    const bool has_control = take_before(words, ' ') == "control";
    const unsigned count = given.value_or(0);
    Inheritance result;
    if (!given || count > kMaxOfferedSockets) result.problem = "it is not for users";
    const int last = kFirstOfferedFd + static_cast<int>(count) + (has_control ? 1 : 0);
    for (int fd = kFirstOfferedFd; result.problem.empty() && fd <= last; ++fd)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) result.problem = "descriptors are missing";
    if (!result.problem.empty()) {
        result.problem =
            fmt::format("{}={}: {}", handover::kVariable, printable(*text), result.problem);
        return result;
    }
    int next = kFirstOfferedFd;
    result.predecessor.emplace(UniqueFd(next++));
    if (has_control) result.control.reset(next++);
    for (unsigned i = 0; i < count; ++i) {
        UniqueFd fd(next++);
        std::string name(take_before(words, ':'));
        if (name == kAdminSocket)
            result.admin.push_back(std::move(fd));
        else if (name == kTlsParcel)
            result.tls = std::move(fd);
        else if (name == kClientMemory)
            result.clients = std::move(fd);
        else
            result.sockets.push_back({.fd = std::move(fd), .name = std::move(name)});
    }
    result.first_free_fd = next;
    return result;
}

void Predecessor::tell_failed(std::string_view why) {
    handover::say(channel_.get(), handover::kFailed, why);
}

bool Predecessor::tell_ready() {
    return prctl(PR_SET_PDEATHSIG, 0) == 0 && handover::say(channel_.get(), handover::kReady);
}

Predecessor::Word Predecessor::hear() {
    const auto word = handover::listen_to(channel_.get());
    if (!word) return Word::none;
    return word->starts_with(handover::kYours) ? Word::yours : Word::gone;
}

} // namespace fsrv
