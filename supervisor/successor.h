// The server that is to replace this one: the program started anew, with our sockets, and our end
// of the channel to it. The other end is start/handover.h's; what to do when is Upgrade's.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "supervisor/process_ops.h"
#include "supervisor/start/handover.h"
#include "supervisor/start/origin.h"

#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace fsrv {

class Successor final {
  public:
    Successor(pid_t pid, UniqueFd channel) : pid_(pid), channel_(std::move(channel)) {}

    pid_t pid() const { return pid_; }
    int fd() const { return channel_.get(); }
    // `gone`: it will say nothing more, and should be about to end.
    enum class Word { none, ready, failed, gone };
    Word hear();
    const std::string& why() const { return why_; } // after `failed`
    bool tell_yours();

  private:
    pid_t pid_;
    UniqueFd channel_;
    std::string why_;
};

// The program as it is now, with the arguments and environment of the start, in the folder that we
// were started in. `manager`: what the service manager's variables are to be instead.
Result<Successor, std::string> start_successor(ProcessOps& ops, const Origin& origin,
                                               const std::vector<std::string>& manager,
                                               const Legacy& legacy);

} // namespace fsrv
