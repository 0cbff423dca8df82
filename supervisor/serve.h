// The program: from argc and argv to the exit status. main.cc adds the worker and what --ctl top
// shows; tests add their own.
#pragma once

#include "common/ctl_client.h"
#include "common/heritage.h"

namespace fsrv {

int fsrv_main(int argc, const char* const* argv, WorkerMain worker_main, TopMain top_main);

} // namespace fsrv
