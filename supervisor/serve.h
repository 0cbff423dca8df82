// The program: from argc and argv to the exit status. main.cc adds the worker; tests add one of
// their own.
#pragma once

#include "common/heritage.h"

namespace fsrv {

int fsrv_main(int argc, const char* const* argv, WorkerMain worker_main);

} // namespace fsrv
