// HAProxy's agent-check on the admin socket. The agent connects, sends the word that "agent-send"
// gives it, and reads one line; no HTTP. The word is what tells it from a request.
#pragma once

#include "common/figures/status.h"

#include <optional>
#include <string>
#include <string_view>

namespace fsrv::admin {

enum class AgentWord { no, maybe, yes };

// Do the first bytes of a connection ask as an agent does: "state" and a line's end, nothing more?
AgentWord agent_word(std::string_view received);

// "ready up 87%": the weight, as a part of the configured one, that the load leaves. "drain", "down
// #why". Nothing known: down. "ready" takes back an earlier "drain", which "up" alone would not.
std::string agent_line(const std::optional<Status>& status);

} // namespace fsrv::admin
