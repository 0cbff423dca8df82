#include "supervisor/start/handover.h"

#include "common/ascii.h"
#include "common/escape.h"
#include "common/log.h"
#include "supervisor/environment.h"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace fsrv {
namespace {

constexpr const char* kVariable = "FSRV_HANDOVER";
constexpr std::string_view kReplaced[] = {
    "NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID=", "FSRV_HANDOVER="};
constexpr std::size_t kMaxWhy = 1000; // bytes of an explanation

// First byte of a datagram on the channel.
constexpr char kReady = 'r', kFailed = 'f', kYours = 'y';

bool say(int channel, char what, std::string_view text = {}) {
    const std::string message = what + std::string(text.substr(0, kMaxWhy));
    return send(channel, message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
           static_cast<ssize_t>(message.size());
}

// One datagram; nothing when there is none, "" when there will be none any more.
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

} // namespace

Inheritance take_inheritance() {
    const auto text = take_variable(kVariable);
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
        result.problem = fmt::format("{}={}: {}", kVariable, printable(*text), result.problem);
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
        else
            result.sockets.push_back({.fd = std::move(fd), .name = std::move(name)});
    }
    result.first_free_fd = next;
    return result;
}

void Predecessor::tell_failed(std::string_view why) {
    say(channel_.get(), kFailed, why);
}

bool Predecessor::tell_ready() {
    return prctl(PR_SET_PDEATHSIG, 0) == 0 && say(channel_.get(), kReady);
}

Predecessor::Word Predecessor::hear() {
    const auto word = listen_to(channel_.get());
    if (!word) return Word::none;
    return word->starts_with(kYours) ? Word::yours : Word::gone;
}

Successor::Word Successor::hear() {
    const auto word = channel_ ? listen_to(channel_.get()) : std::nullopt;
    if (!word) return Word::none;
    if (word->starts_with(kReady)) return Word::ready;
    if (!word->starts_with(kFailed)) {
        channel_.reset();
        return Word::gone;
    }
    why_ = printable(std::string_view(*word).substr(1));
    return Word::failed;
}

bool Successor::tell_yours() {
    return say(channel_.get(), kYours);
}

Result<Successor, std::string> start_successor(ProcessOps& ops, const Origin& origin,
                                               const std::vector<std::string>& manager,
                                               const Legacy& legacy) {
    int ends[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return unexpected(errno_text(errno));
    UniqueFd ours(ends[0]);
    const UniqueFd theirs(ends[1]);
    Program program{.path = origin.program,
                    .arguments = origin.arguments,
                    .environment = origin.environment,
                    .fds = {theirs.get()}};
    std::erase_if(program.environment, [](const std::string& entry) {
        return std::any_of(std::begin(kReplaced), std::end(kReplaced),
                           [&](std::string_view name) { return entry.starts_with(name); });
    });
    program.environment.insert(program.environment.end(), manager.begin(), manager.end());
    program.environment.push_back(fmt::format("{}={}", kVariable, describe(legacy)));
    if (legacy.control >= 0) program.fds.push_back(legacy.control);
    for (const ListenSockets::Handed& socket : legacy.sockets) program.fds.push_back(socket.fd);
    // Names may hang: here that holds up nobody but the successor, which has a limit of time.
    program.before = [&] {
        const std::string problem = go_back(origin);
        if (problem.empty()) return true;
        std::string ignored;
        const auto options = read_options_again(origin, problem, ignored);
        if (!options) say(theirs.get(), kFailed, options.error());
        return options.has_value();
    };
    program.on_failure = [&](Errno error) {
        say(theirs.get(), kFailed,
            fmt::format("cannot start \"{}\": {}", origin.program, errno_text(error.code)));
    };
    const auto pid = ops.start(program);
    if (!pid) return unexpected(errno_text(pid.error().code));
    return Successor(*pid, std::move(ours));
}

} // namespace fsrv
