// The processes of errands that are not waited for any more. One that hangs may outlive SIGKILL for
// as long as the mount hangs, so there is a limit to how many there are.
#pragma once

#include "supervisor/errand.h"

#include <cstddef>
#include <sys/types.h>
#include <vector>

namespace fsrv {

class StuckErrands final {
  public:
    // It is back, or is given up; until it has ended its process is remembered. Null: there was
    // none.
    void give_up(const Errand* errand) {
        if (errand != nullptr && !errand->reaped()) pids_.push_back(errand->pid());
    }
    bool on_ended(pid_t pid) { return std::erase(pids_, pid) > 0; } // true: it was one of them

    std::size_t size() const { return pids_.size(); }
    bool too_many() const { return pids_.size() >= kStuckErrands; } // no other one is to be sent

  private:
    std::vector<pid_t> pids_;
};

} // namespace fsrv
