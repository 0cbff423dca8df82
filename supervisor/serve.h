// The program: from argc and argv to the exit status. main.cc adds the worker and how --ctl
// top shows targets; tests add their own.
#pragma once

#include "common/figures/sampler.h"
#include "common/heritage.h"

namespace fsrv {

int fsrv_main(int argc, const char* const* argv, WorkerMain worker_main, ShownName shown_name);

} // namespace fsrv
