// An upgrade in place, on the side of the server that takes over: its workers are ready, but the
// sockets are another server's until that says that they are ours.
#pragma once

#include "supervisor/petitions.h"
#include "supervisor/sockets/admin_listener.h"
#include "supervisor/sockets/listen_sockets.h"
#include "supervisor/start/handover.h"

#include <functional>
#include <optional>
#include <poll.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fsrv {

class TakeOver final {
  public:
    struct Setup {
        // The server that this one is to replace; none: nobody, and then nothing is to be done.
        std::optional<Predecessor> predecessor;
        // All is ready, and the predecessor still serves: the last moment to say why not.
        std::function<Result<void, std::string>()> before_taking_over;

        ListenSockets& sockets; // that become ours, like what --ctl and --admin listen on
        AdminListener* admin_listener = nullptr;
    };
    TakeOver(Setup setup, Petitions& petitions) : setup_(std::move(setup)), petitions_(petitions) {}

    bool has_predecessor() const { return setup_.predecessor.has_value(); } // it serves still

    // This server is ready. Told once, then whenever there is a turn, until it is not `waits`.
    // `failed`: the log says why, and this server must end, before tell_failed().
    enum class Outcome { waits, ours, failed };
    Outcome tell_ready();

    // The predecessor, if it is there and does not know yet, goes on, and may end us at once.
    void tell_failed(std::string_view why);
    void tell_failed() { tell_failed(obstacle_); } // after `failed`

    void append_fds(std::vector<pollfd>& fds) const;
    void close_in_child() { setup_.predecessor.reset(); }

  private:
    Setup setup_;
    Petitions& petitions_;
    bool told_ = false; // that this server is ready
    std::string obstacle_;
};

} // namespace fsrv
