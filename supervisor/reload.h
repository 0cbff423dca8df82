// One generation after the other, on the same sockets: the configuration is read anew, the next
// generation is made beside the one that serves, takes over when all of it is ready, and is thrown
// away when it never is.
#pragma once

#include "common/options.h"
#include "supervisor/crew.h"
#include "supervisor/errand.h"
#include "supervisor/petitions.h"
#include "supervisor/phase.h"
#include "supervisor/start/configuration.h"
#include "supervisor/stuck_errands.h"
#include "supervisor/worker_count.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <poll.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fsrv {

class Reload final {
  public:
    struct Hooks {
        // The configuration as it is now, to take the place of the running one. The error is one
        // line.
        std::function<Pending<Configuration>(const Options& running)> load;
        // A reload begins; it ends, and the server goes on as `status` says.
        std::function<void()> on_reloading;
        std::function<void(std::string_view status)> on_reloaded;
    };
    // All outlive this.
    Reload(Hooks hooks, const Phase& phase, Crew& crew, WorkerCount& count, Petitions& petitions,
           Scoreboard& scoreboard, StuckErrands& stuck)
        : hooks_(std::move(hooks)),
          phase_(phase),
          crew_(crew),
          count_(count),
          petitions_(petitions),
          scoreboard_(scoreboard),
          stuck_(stuck) {}

    // During the start, or while one is under way, any number of times is one reload afterwards.
    void ask(bool is_upgrading, std::uint64_t now);
    // A generation with this configuration, which is the running one but for its certificates. Why
    // it cannot begin; empty: it has. None may be under way.
    std::string renew(Configuration config, bool is_upgrading, std::uint64_t now);
    void on_started(std::uint64_t now); // begins what was asked for during the start
    bool is_under_way() const { return crew_.next() != nullptr || loading_; }

    // In every turn: a configuration that has come begins the next generation, and one that is
    // ready takes over.
    void see_whether_loaded(std::uint64_t now);
    void see_whether_next_is_ready(std::uint64_t now);

    // The server stops, as Phase says already: what is under way is thrown away, and who asked is
    // told.
    void give_up(std::uint64_t now);

    bool on_ended(pid_t pid); // true: it was its errand
    std::uint64_t next_deadline() const;
    void append_fds(std::vector<pollfd>& fds) const;
    void close_in_child();

  private:
    std::string why_not(bool is_upgrading) const; // empty: it can begin
    void begin_generation(Configuration config, std::uint64_t now);
    void promote_next(std::uint64_t now);
    void fail(std::string_view why, std::uint64_t now);
    void end(bool done, const std::string& verdict, std::uint64_t now);
    // What it has done, or not.
    const char* participle() const { return renewing_ ? "renewed" : "reloaded"; }
    Errand* errand() const { return loading_ ? loading_->errand() : nullptr; }

    Hooks hooks_;
    const Phase& phase_;
    Crew& crew_;
    WorkerCount& count_;
    Petitions& petitions_;
    Scoreboard& scoreboard_;
    StuckErrands& stuck_;
    std::optional<Pending<Configuration>> loading_; // before there is a next generation
    bool again_ = false;                            // asked for meanwhile
    bool renewing_ =
        false; // what is under way is for its certificates, and nobody has asked for it
};

} // namespace fsrv
