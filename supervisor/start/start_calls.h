// What the system around us lets us do: asked before anything is bound or forked, so that a call
// that a sandbox denies is named once and early, and is no abort of a worker later.
#pragma once

#include "common/result.h"
#include "supervisor/start_error.h"

namespace fsrv {

// Tries every call of start_calls.def. The error names the first one that there is no serving
// without; what is only lost is warned of in the log. Costs some 20 us and changes nothing; umask
// is 0027, as clean_start_state() leaves it.
Result<void, StartError> check_calls();

} // namespace fsrv
