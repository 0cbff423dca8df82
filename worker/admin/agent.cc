#include "worker/admin/agent.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace fsrv::admin {

AgentWord agent_word(std::string_view received) {
    constexpr std::string_view kQuestions[] = {"state\n", "state\r\n"};
    for (const std::string_view question : kQuestions) {
        if (received == question) return AgentWord::yes;
        if (question.starts_with(received)) return AgentWord::maybe;
    }
    return AgentWord::no;
}

std::string agent_line(const std::optional<Status>& status) {
    if (!status) return "down #no figures\n";
    if (status->server.draining) return "drain\n";
    if (const std::string_view why = status->not_ready_because(); !why.empty())
        return fmt::format("down #{}\n", why);
    const long left = std::lround((1 - status->load) * 100);
    return fmt::format("ready up {}%\n", std::clamp(left, 1L, 100L));
}

} // namespace fsrv::admin
