// What the service manager hears of the server, sd_notify(3): when it is ready and when it stops,
// how it is, and, where it asks for that, that it is alive (sd_watchdog_enabled(3)). Where there is
// none, nothing is said.
#pragma once

#include "supervisor/notify.h"
#include "supervisor/watchdog.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace fsrv {

struct Health {
    unsigned ready = 0;   // workers that are
    unsigned wanted = 0;  // workers that should be
    unsigned left = 0;    // processes, those that only finish their downloads included
    bool serving = false; // somebody accepts, if only with a late heartbeat
    bool stopping = false;
    friend bool operator==(const Health&, const Health&) = default;
};

class ServiceManager final {
  public:
    // Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment: workers do not
    // speak to the service manager.
    static ServiceManager from_environment();

    ServiceManager(std::string notify_socket, std::uint64_t watchdog_ms);

    void ready(pid_t pid, const Health& health);
    void stopping(std::uint64_t within_ms, std::uint64_t now); // kNever: without a limit
    void failed(std::string_view why, int error);              // at the start; error 0: no errno

    // Anything else, as sd_notify(3) has it.
    void send(std::string_view state) { notifier_.send(state); }

    // In every turn of the loop: tells what has changed, and what is due. When to come again at the
    // latest; kNever: no need.
    std::uint64_t on_turn(const Health& health, std::uint64_t now);

    // "NAME=value" of the variables that were taken, for a successor that is to speak in our place.
    std::vector<std::string> environment() const;

  private:
    std::string notify_socket_;
    std::uint64_t watchdog_ms_;
    Notifier notifier_;
    Watchdog watchdog_;
    bool ready_ = false;
    Health told_;
    std::uint64_t extend_at_; // a stop without a limit asks for more time
};

} // namespace fsrv
