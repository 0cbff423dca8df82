// What the limits around us leave of what the options ask for: said in the log, once, at the start.
#pragma once

#include "common/options.h"

namespace fsrv {

// What the control groups around us take away.
void tell_of_control_group(const Options& options);

// clean_start_state() was to raise the limit of open files: why it did not, where it did not.
void warn_of_few_files();

} // namespace fsrv
