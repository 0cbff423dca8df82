// What workers are told on their channels. A channel that is full keeps nobody waiting: what it
// does not take stays due.
#pragma once

#include "supervisor/generation.h"
#include "supervisor/leavers.h"

#include <cstdint>

namespace fsrv {

class Orders final {
  public:
    // A new round: what has failed before is tried again in it.
    void begin() { something_is_left_ = false; }

    // Tells workers of other slots' sockets: who is to serve them, and who need not any more.
    void cover(Generation& generation);

    // What is marked in a worker or a leaver as due. `drain_ms`: as in ControlKind::drain.
    void send_due(Generation& generation, std::uint64_t drain_ms);
    void send_due(Leavers& leavers);

    bool something_is_left() const { return something_is_left_; } // of this round

  private:
    bool something_is_left_ = false;
};

} // namespace fsrv
