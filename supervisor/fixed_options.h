// What a reload may not change.
#pragma once

#include "common/options.h"

#include <optional>
#include <string>

namespace fsrv {

// Why `wanted` cannot replace `running` without a restart or an upgrade, in a line that names the
// option; nothing: it can. `slots`: for so many workers sockets are bound. With --workers auto it
// never stands in the way.
std::optional<std::string> why_not_changeable(const Options& running, const Options& wanted,
                                              unsigned slots);

} // namespace fsrv
