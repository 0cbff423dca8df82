// What the supervisor says of its processes: to the scoreboard, for who asks how the server is, and
// to the service manager.
#pragma once

#include "common/scoreboard.h"
#include "supervisor/crew.h"
#include "supervisor/phase.h"
#include "supervisor/service_manager.h"

#include <optional>
#include <vector>

namespace fsrv {

class ProcessTable final {
  public:
    // `server`: what of its row never changes. The scoreboard outlives this.
    ProcessTable(const ServerRow& server, Scoreboard& scoreboard)
        : scoreboard_(scoreboard), server_(server) {}

    // Writes when something has changed since the last time. `wanted`: workers; `admin`: the admin
    // process, if there is one.
    void publish(const Phase& phase, const Crew& crew, unsigned wanted,
                 const std::optional<ProcessRow>& admin);

  private:
    Scoreboard& scoreboard_;
    ServerRow server_;                  // as published
    std::vector<ProcessRow> processes_; // likewise
};

Health health_of(const Phase& phase, const Crew& crew, unsigned wanted);

} // namespace fsrv
