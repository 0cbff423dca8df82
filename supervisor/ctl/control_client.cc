#include "supervisor/ctl/control_client.h"

#include "common/escape.h"
#include "common/heritage.h"
#include "common/log.h"
#include "supervisor/ctl/ctl_call.h"
#include "supervisor/ctl/ctl_command.h"
#include "supervisor/ctl/top.h"
#include "supervisor/sockets/unix_listener.h"
#include "supervisor/start/announce.h"

#include <fmt/format.h>
#include <optional>
#include <poll.h>

namespace fsrv {
namespace {

int end_with(int status, std::string_view text) {
    print_failure(text);
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

// What a server says at once, if it is well; the others are verdicts on what may take its time.
constexpr int kPatienceMs = 5'000;

bool is_answered_at_once(CtlKind kind) {
    return kind == CtlKind::status || kind == CtlKind::top;
}

// Waits for it; nothing: there will be none.
std::optional<CtlReply> await_reply(CtlCall& call, int patience_ms) {
    for (;;) {
        pollfd entry{.fd = call.fd(), .events = POLLIN, .revents = 0};
        if (poll(&entry, 1, patience_ms) == 0)
            return CtlReply{.text = "the server does not answer"};
        auto reply = call.receive();
        if (!reply) return std::nullopt;
        if (*reply) return std::move(**reply);
    }
}

} // namespace

int run_ctl(const std::string& text, const std::string& path, ShownName shown_name) {
    const auto command = parse_ctl_command(text);
    if (!command)
        return end_with(kExitUsage, fmt::format("--ctl: expected {}, not \"{}\"",
                                                expected_ctl_command(), printable(text)));
    if (path.empty())
        return end_with(kExitUsage, "--ctl: name the server's socket with --control PATH");
    if (auto ok = UnixListener::check_path({.path = path, .option = "--control"}); !ok)
        return end_with(kExitUsage, ok.error().message);

    const CtlAsk ask = [&] { return CtlCall::ask(unix_address(path), text); };
    auto call = ask();
    if (!call) return end_with(kExitFailure, why_not_connected(path, call.error().code));
    auto reply = await_reply(*call, is_answered_at_once(command->kind) ? kPatienceMs : -1);
    if (!reply)
        return end_with(kExitFailure, "the server ended, or hung up, before it had a verdict");
    if (reply->good && command->kind == CtlKind::top)
        return run_top(std::move(*reply), ask, shown_name);
    return reply->good ? print_output(printable_lines(reply->text) + '\n')
                       : end_with(kExitFailure, reply->text);
}

} // namespace fsrv
