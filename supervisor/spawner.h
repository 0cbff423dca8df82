// Starts children: a process, its place on the scoreboard, its channel, and the Heritage that
// crosses the fork.
#pragma once

#include "common/client_table.h"
#include "common/heritage.h"
#include "common/scoreboard.h"
#include "common/ticket_keys.h"
#include "supervisor/generation.h"
#include "supervisor/process_ops.h"
#include "supervisor/sockets/admin_listener.h"
#include "supervisor/sockets/listen_sockets.h"

#include <cstdint>
#include <functional>
#include <map>
#include <sys/types.h>
#include <unistd.h>

namespace fsrv {

class Spawner final {
  public:
    struct Setup {
        ListenSockets& sockets;
        AdminListener* admin = nullptr; // none: no admin process
        WorkerMain worker_main = nullptr;
        Scoreboard& scoreboard;
        TicketKeys* tickets = nullptr;  // none: TLS is not spoken
        ClientTable* clients = nullptr; // none: nobody is ever limited
        ProcessOps& ops;
    };
    // Runs in the child, before anything else: closes what is not that child's.
    using CloseOthers = std::function<void()>;

    explicit Spawner(const Setup& setup) : setup_(setup) {}

    // A worker of that generation for the slot, which hears whether it is there.
    void spawn_worker(Generation& generation, unsigned index, const CloseOthers& close_others,
                      std::uint64_t now);

    // A worker has ended: its place on the scoreboard is free, and what it had counted of clients
    // is given back.
    void free_places(unsigned score);

    // In the admin process: all of its life.
    int run_admin(Generation& current, UniqueFd control, unsigned score) const;

    // The error line for a worker that ended, or was never there, for want of processes or threads;
    // not at every attempt, which would say the same.
    void tell_task_limit(const Options& options, std::uint64_t now);

  private:
    int run_worker(Generation& generation, unsigned index, UniqueFd control) const;

    void take_seat(const Options& options, unsigned score);

    Setup setup_;
    std::map<unsigned, unsigned> seats_; // in the table of clients, by slot of the scoreboard
    pid_t supervisor_pid_ = getpid();
    std::uint64_t tasks_told_at_ = kNever; // a limit of tasks
};

} // namespace fsrv
