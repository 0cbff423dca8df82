#include "supervisor/successor.h"

#include "common/escape.h"
#include "common/log.h"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

namespace fsrv {
namespace {

// Variables that are about this server, and not about the next one.
constexpr std::string_view kReplaced[] = {
    "NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID=", "FSRV_HANDOVER="};

} // namespace

Successor::Word Successor::hear() {
    const auto word = channel_ ? handover::listen_to(channel_.get()) : std::nullopt;
    if (!word) return Word::none;
    if (word->starts_with(handover::kReady)) return Word::ready;
    if (!word->starts_with(handover::kFailed)) {
        channel_.reset();
        return Word::gone;
    }
    why_ = printable(std::string_view(*word).substr(1));
    return Word::failed;
}

bool Successor::tell_yours() {
    return handover::say(channel_.get(), handover::kYours);
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
    program.environment.push_back(
        fmt::format("{}={}", handover::kVariable, handover::describe(legacy)));
    if (legacy.control >= 0) program.fds.push_back(legacy.control);
    for (const ListenSockets::Handed& socket : legacy.sockets) program.fds.push_back(socket.fd);
    // Names may hang: here that holds up nobody but the successor, which has a limit of time.
    program.before = [&] {
        const std::string problem = go_back(origin);
        if (problem.empty()) return true;
        std::string ignored;
        const auto options = read_options_again(origin, problem, ignored);
        if (!options) handover::say(theirs.get(), handover::kFailed, options.error());
        return options.has_value();
    };
    program.on_failure = [&](Errno error) {
        handover::say(
            theirs.get(), handover::kFailed,
            fmt::format("cannot start \"{}\": {}", origin.program, errno_text(error.code)));
    };
    const auto pid = ops.start(program);
    if (!pid) return unexpected(errno_text(pid.error().code));
    return Successor(*pid, std::move(ours));
}

} // namespace fsrv
