// The end of the server: announced where --drain-delay wants that, then the workers drain, the
// listening sockets are shut, and who does not end is killed.
#pragma once

#include "common/heritage.h"
#include "supervisor/crew.h"
#include "supervisor/petitions.h"
#include "supervisor/phase.h"
#include "supervisor/process_ops.h"
#include "supervisor/reload.h"
#include "supervisor/sockets/listen_sockets.h"
#include "supervisor/upgrade.h"

#include <cstdint>
#include <functional>
#include <utility>

namespace fsrv {

class Stopping final {
  public:
    // Stopping began; it ends within this time. kNever: without a limit.
    using OnStopping = std::function<void(std::uint64_t within_ms)>;

    // All outlive this. Of `phase` only stop and stop_announced are changed.
    Stopping(OnStopping on_stopping, ListenSockets& sockets, Phase& phase, Crew& crew,
             Reload& reload, Upgrade& upgrade, Petitions& petitions, ProcessOps& ops)
        : on_stopping_(std::move(on_stopping)),
          sockets_(sockets),
          phase_(phase),
          crew_(crew),
          reload_(reload),
          upgrade_(upgrade),
          petitions_(petitions),
          ops_(ops) {}

    // With --drain-delay balancers have that long to see it in /-/health, while nothing else
    // changes. Whoever asks again does not want to wait, and a stop only gets more hurried.
    void ask(Stop how, std::uint64_t now);
    void fail(int exit_status, std::uint64_t now); // at once: the server cannot go on

    // In every turn: what is due.
    void watch(std::uint64_t now);
    std::uint64_t next_deadline() const;

    // Nobody is left, or is waited for any more.
    bool is_over(std::uint64_t now) const;
    // The last that the server does: who asked is told. The exit status.
    int end();

  private:
    void stop(Stop how, std::uint64_t now);
    void announce(Stop how, std::uint64_t delay_ms, std::uint64_t now);
    bool all_have_left() const;
    void kill_who_is_left();

    OnStopping on_stopping_;
    ListenSockets& sockets_;
    Phase& phase_;
    Crew& crew_;
    Reload& reload_;
    Upgrade& upgrade_;
    Petitions& petitions_;
    ProcessOps& ops_;
    std::uint64_t stop_at_ = kNever; // a stop is announced, and begins then
    Stop stop_how_ = Stop::no;
    std::uint64_t refuse_at_ = kNever;  // listen sockets are shut
    std::uint64_t kill_at_ = kNever;    // SIGKILL for who is left
    std::uint64_t give_up_at_ = kNever; // even SIGKILL has not helped
    int exit_status_ = kExitOk;
};

} // namespace fsrv
