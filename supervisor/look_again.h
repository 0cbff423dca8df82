// What a reload and a rotation open anew, by errands: names may lie on a mount that hangs.
#pragma once

#include "supervisor/errand.h"
#include "supervisor/start/configuration.h"
#include "supervisor/start/origin.h"

#include <string>

namespace fsrv {

// The configuration as it would be if the server started now, where `running` can become it.
// `origin` outlives what is returned.
Pending<Configuration> load_again(ProcessOps& ops, const Origin& origin, const Options& running,
                                  unsigned slots);

// The access log of that path.
Pending<UniqueFd> open_log_again(ProcessOps& ops, const std::string& path);

} // namespace fsrv
