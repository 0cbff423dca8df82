// The admin process: see WorkerMain in common/heritage.h, with Heritage::admin.
#pragma once

#include "common/heritage.h"

namespace fsrv::admin {

// `terminate_fd` becomes readable when the process is to end.
int admin_main(Heritage heritage, int terminate_fd);

} // namespace fsrv::admin
