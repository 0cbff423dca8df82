// The supervisor: one loop around its parts, each with its own members and its own header. Crew has
// the workers, WorkerCount says how many there are to be, Reload puts one generation after the
// other, Renewal does so for new certificates, Upgrade and TakeOver put one server after the other,
// Stopping ends it, and Petitions is what
// --ctl asks. Here is only who is asked when, and what a signal means.
//
// A part knows those that are built before it, and tells those that are built after it by what it
// returns; how far the server has come is in Phase.
#pragma once

#include "common/heritage.h"
#include "common/scoreboard.h"
#include "supervisor/admin_process.h"
#include "supervisor/crew.h"
#include "supervisor/log_reopening.h"
#include "supervisor/petitions.h"
#include "supervisor/phase.h"
#include "supervisor/process_ops.h"
#include "supervisor/process_table.h"
#include "supervisor/reload.h"
#include "supervisor/renewal.h"
#include "supervisor/service_manager.h"
#include "supervisor/sockets/admin_listener.h"
#include "supervisor/sockets/listen_sockets.h"
#include "supervisor/start/handover.h"
#include "supervisor/stopping.h"
#include "supervisor/stuck_errands.h"
#include "supervisor/successor.h"
#include "supervisor/take_over.h"
#include "supervisor/upgrade.h"
#include "supervisor/worker_count.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace fsrv {

class Supervisor final {
  public:
    struct Setup {
        Configuration config;   // of the first generation
        ListenSockets& sockets; // outlives the supervisor, like all that is referred to here
        unsigned slots = 1;     // that the sockets belong to: the largest number of workers
        AdminListener* admin = nullptr; // none: no admin process
        WorkerMain worker_main = nullptr;
        ControlSocket* control = nullptr; // none: no --ctl

        // The configuration as it is now, to take the place of the running one. The error is one
        // line.
        std::function<Pending<Configuration>(const Options& running)> load;
        // The access log of that path, opened anew.
        std::function<Pending<UniqueFd>(const std::string& path)> open_log;
        // The files of TLS as they are now; none: TLS is never spoken.
        Renewal::Look look_at_tls;
        TicketKeys* tickets = nullptr;  // likewise
        ClientTable* clients = nullptr; // none: nobody is ever limited

        // The server that this one is to replace; none: nobody.
        std::optional<Predecessor> predecessor;
        // Starts the program anew, to replace this one.
        std::function<Result<Successor, std::string>()> start_successor;
        // This process, a successor that is ready or ourselves again, is the server from now on.
        std::function<void(pid_t server)> on_handing_over;

        // In every child: closes what is the server's alone.
        std::function<void()> in_child;
        // All is ready, and the predecessor still serves: the last moment to say why not.
        std::function<Result<void, std::string>()> before_taking_over;
        // The first generation is ready, that many workers of it. False: the server must not go on
        // (exit status 1).
        std::function<bool(unsigned ready, unsigned wanted)> on_started;
        // A reload begins; it ends, and the server goes on as `status` says.
        std::function<void()> on_reloading;
        std::function<void(std::string_view status)> on_reloaded;
        // Stopping began; it ends within this time. kNever: without a limit.
        std::function<void(std::uint64_t within_ms)> on_stopping;
        // At the end of every turn; it answers when it wants the next one at the latest.
        std::function<std::uint64_t(const Health& health, std::uint64_t now)> on_turn;
    };

    Supervisor(Setup setup, ProcessOps& ops);

    int run(); // the exit status of the server

    // One turn of the loop, without the sleep. The exit status, once there is nothing left to do.
    std::optional<int> turn();
    std::uint64_t next_deadline() const;

    const WorkerSlot& slot(unsigned i) const { return current().workers[i].slot; }
    const Generation& current() const { return crew_.current(); }
    const Generation* next() const { return crew_.next(); } // while a reload is under way
    Scoreboard& scoreboard() { return scoreboard_; }
    // Of the process that slot `i` has; kNoScore: it has none.
    unsigned score_of(unsigned i) const { return current().workers[i].score; }

  private:
    std::optional<AdminProcess> make_admin();
    void close_in_child();
    void append_fds(std::vector<pollfd>& fds) const;

    void take_signal(std::uint64_t now);
    void take_petitions(std::uint64_t now);
    void obey(const Petitions::Petition& petition, std::uint64_t now);
    std::string status(std::uint64_t now);
    void show_figures(const Petitions::Petition& petition);

    void reap(std::uint64_t now);
    void watch_admin(bool late, std::uint64_t now);
    void see_whether_started(std::uint64_t now);
    void start(unsigned ready, std::uint64_t now);
    void publish_processes();

    Setup setup_;
    ProcessOps& ops_;
    Phase phase_;
    Scoreboard scoreboard_;
    ProcessTable table_;
    Petitions petitions_;
    Crew crew_;
    WorkerCount count_;
    StuckErrands stuck_;
    LogReopening log_;
    Reload reload_;
    Renewal renewal_;
    std::optional<AdminProcess> admin_;
    Upgrade upgrade_;
    TakeOver take_over_;
    Stopping stopping_;
    std::uint64_t expected_at_ = kNever; // when the next turn is due at the latest
    std::uint64_t wanted_at_ = kNever;   // when on_turn wants it
};

} // namespace fsrv
