// The program: from argc and argv to the exit status. main.cc adds the worker, how --ctl
// top shows targets and what links to them sign; tests add their own.
#pragma once

#include "common/figures/sampler.h"
#include "common/heritage.h"
#include "common/link_order.h"

namespace fsrv {

int fsrv_main(int argc, const char* const* argv, WorkerMain worker_main, ShownName shown_name,
              LinkPath link_path);

} // namespace fsrv
