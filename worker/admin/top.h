// `fsrv --ctl top`: the server's processes and downloads in a terminal, once a second. The server
// lends its figures read-only; all work and all waiting is done here.
#pragma once

#include "common/ctl_client.h"

namespace fsrv::admin {

// See TopMain in common/ctl_client.h. On a terminal until somebody leaves (0) or the server ends
// (1); else one picture, made of two readings a second apart.
int top_main(CtlReply first, const CtlAsk& ask);

} // namespace fsrv::admin
