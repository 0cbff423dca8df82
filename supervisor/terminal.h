// The controlling terminal that the server was started from, and whether a SIGHUP says that it is
// gone. To a server that asks for a reload the same signal means another thing.
#pragma once

#include <sys/types.h>

namespace fsrv {

// Where a SIGHUP came from.
struct Hangup {
    bool from_kernel = false; // not from kill(2)
    pid_t sender = 0;         // of kill(2)
};

class Terminal final {
  public:
    // Looks for the terminal of this process. `ignores_hangup`: SIGHUP was ignored when it was
    // started, as nohup has it.
    explicit Terminal(bool ignores_hangup);
    // For tests: with a terminal, of a session that `leader` leads.
    Terminal(bool ignores_hangup, pid_t leader)
        : ignores_hangup_(ignores_hangup), has_one_(true), leader_(leader) {}

    enum class Meaning { reload, end, nothing };
    // The kernel sends a SIGHUP when the terminal hangs up, to who is in its foreground; the shell
    // sends one of its own to the jobs in its background, which tells itself from `kill -HUP %1` by
    // a terminal that is gone.
    Meaning meaning_of(const Hangup& hangup, bool terminal_is_gone) const;
    // Looks whether it is.
    Meaning meaning_of(const Hangup& hangup) const { return meaning_of(hangup, is_gone()); }

    bool ignores_hangup() const { return ignores_hangup_; }

  private:
    static bool is_gone();

    bool ignores_hangup_;
    bool has_one_;
    pid_t leader_; // of the session: the shell
};

} // namespace fsrv
