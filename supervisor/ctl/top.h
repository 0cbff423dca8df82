// `fsrv --ctl top`: the server's processes and downloads in a terminal, once a second. The server
// lends its figures read-only; all work and all waiting is done here.
#pragma once

#include "common/figures/sampler.h"
#include "supervisor/ctl/ctl_call.h"

namespace fsrv {

// The exit status. On a terminal until somebody leaves (0) or the server ends (1); else one
// picture, made of two readings a second apart. `first` is the server's first answer, `ask` asks
// again.
int run_top(CtlReply first, const CtlAsk& ask, ShownName shown_name);

} // namespace fsrv
