// The worker process: see WorkerMain in common/heritage.h.
#pragma once

#include "common/heritage.h"

namespace fsrv {
int worker_main(Heritage heritage);
} // namespace fsrv
