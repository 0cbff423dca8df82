// The workers: of the generation that serves, of the next one while there is one, and those that
// leave. Started, watched, listened to and reaped here. What is due for one is worker_slot.h's to
// say, who covers whom cover.h's; that a generation gives way to the next, that there are to be
// more or fewer, and that all stop, is decided by who calls.
#pragma once

#include "common/heritage.h"
#include "common/scoreboard.h"
#include "supervisor/generation.h"
#include "supervisor/leavers.h"
#include "supervisor/orders.h"
#include "supervisor/phase.h"
#include "supervisor/process_ops.h"
#include "supervisor/sockets/admin_listener.h"
#include "supervisor/sockets/listen_sockets.h"
#include "supervisor/spawner.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <poll.h>
#include <vector>

namespace fsrv {

class Crew final {
  public:
    struct Setup {
        ListenSockets& sockets; // outlives the crew, like all that is referred to here
        unsigned slots = 1;
        unsigned workers = 1;           // that are wanted at first, of the slots
        Configuration config;           // of the first generation
        AdminListener* admin = nullptr; // none: no admin process
        WorkerMain worker_main = nullptr;
        TicketKeys* tickets = nullptr;  // none: TLS is not spoken
        ClientTable* clients = nullptr; // none: nobody is ever limited
        std::function<void()> in_child; // closes what is the supervisor's alone, but for the crew
    };
    Crew(Setup setup, const Phase& phase, Scoreboard& scoreboard, ProcessOps& ops);

    Generation& current() { return *current_; } // serves
    const Generation& current() const { return *current_; }
    Generation* next() { return next_.get(); } // is getting ready to take its place; or none
    const Generation* next() const { return next_.get(); }
    std::vector<Generation*> generations(); // of these those that there are
    Leavers& leavers() { return leavers_; }
    const Leavers& leavers() const { return leavers_; }
    bool is_empty() const; // nobody is there, and nobody is wanted

    // In every turn. True: the process was a worker.
    bool on_ended(const EndedProcess& ended, std::uint64_t now);
    // What the workers say, their heartbeats, and who is due to be started or killed. `late`: the
    // supervisor itself did not run for a while.
    void watch(bool late, std::uint64_t now);
    // A worker that is taken over, and not locked in, can spoil what it shares with all others.
    void see_that_sockets_listen(std::uint64_t now);
    // From the announced start to the stop.
    void see_that_all_are_served();
    // Of all processes, those that are started later too: /-/health says that a stop is near.
    void announce_stop() { scoreboard_.announce_stop(); }
    // What is due to be told: marked in Worker and Leaver.
    void send_what_is_due();
    std::uint64_t next_deadline() const;
    void append_fds(std::vector<pollfd>& fds) const; // that something can be heard from

    // For a slot of the generation that serves which has none.
    void add_worker(unsigned index, std::uint64_t now);
    // Others serve its sockets, or will: it finishes what it has. The slot has no worker
    // afterwards.
    void retire(Generation& generation, unsigned index, std::uint64_t now);
    void retire_all(Generation& generation, std::uint64_t now);

    // There is no next generation before, and one with this configuration, started, afterwards.
    void begin_next(Configuration config, unsigned workers, std::uint64_t now);
    // It serves from now on, and the workers of the older one, which is returned, are still to be
    // retired.
    std::unique_ptr<Generation> promote_next();
    // Some of its workers may serve already, so they finish like any that leave.
    void discard_next(std::uint64_t now);

    // All of the generation that serves, and who leaves, are to be told to drain. `drain_ms`: as in
    // ControlKind::drain.
    void drain(std::uint64_t drain_ms);

    // In a child: closes all but what that generation's workers inherit.
    void close_in_child(Generation& kept);
    // In the admin process, all of its life.
    int run_admin(UniqueFd control, unsigned score);

  private:
    void spawn(Generation& generation, unsigned index, std::uint64_t now);
    void watch_time(Generation& generation, std::uint64_t now);
    void hear(Generation& generation, unsigned index, std::uint64_t now);
    void on_leaving(Generation& generation, unsigned index, std::uint64_t now);
    void on_worker_ended(Generation& generation, unsigned index, ExitStatus status,
                         std::uint64_t now);
    void on_leaver_ended(const Leaver& leaver, ExitStatus status, std::uint64_t now);
    std::uint64_t tick_of(const Worker& worker) const;

    const Phase& phase_;
    Scoreboard& scoreboard_;
    ProcessOps& ops_;
    ListenSockets& sockets_;
    unsigned slots_;
    std::function<void()> in_child_;
    Spawner spawner_;
    Orders orders_;
    std::unique_ptr<Generation> current_;
    std::unique_ptr<Generation> next_;
    Leavers leavers_;
    std::uint64_t drain_ms_ = 0;    // as in ControlKind::drain
    std::uint64_t sockets_due_ = 0; // a look at the listening sockets, in the next turn then
};

} // namespace fsrv
