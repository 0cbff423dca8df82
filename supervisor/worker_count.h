// How many workers there are to be, as the options say, a person asks (--ctl workers, SIGTTIN,
// SIGTTOU) or the load has it (scaling.h); and that there are so many.
#pragma once

#include "common/options.h"
#include "common/scoreboard.h"
#include "supervisor/crew.h"
#include "supervisor/petitions.h"
#include "supervisor/phase.h"
#include "supervisor/process_ops.h"
#include "supervisor/scaling.h"

#include <cstdint>
#include <string>

namespace fsrv {

class WorkerCount final {
  public:
    // As many as the crew wants now. All outlive this.
    WorkerCount(const Phase& phase, Crew& crew, Petitions& petitions, Scoreboard& scoreboard,
                ProcessOps& ops)
        : phase_(phase),
          crew_(crew),
          petitions_(petitions),
          scoreboard_(scoreboard),
          ops_(ops),
          wanted_(crew.current().wanted()) {}

    unsigned wanted() const { return wanted_; }
    // As the generation that serves now wants it, whose options say another number than before.
    void follow_generation() { wanted_ = crew_.current().wanted(); }

    // Why that cannot be; empty: it will be so, from the next turn on.
    std::string want(unsigned number);
    void one_more_or_less(int difference); // to the log, whether it will be so

    // In every turn: elastic servers look at their load.
    void follow_the_load(std::uint64_t now);
    // And: who is missing is started, who is one too many leaves. Who asked for the number is told
    // when it is reached, or is not to be.
    void see_to_the_number(std::uint64_t now);
    std::uint64_t next_deadline() const;

  private:
    WorkerRange bounds() const;
    bool follows_the_load() const;
    Worker& superfluous();
    void tell_who_asked();

    const Phase& phase_;
    Crew& crew_;
    Petitions& petitions_;
    Scoreboard& scoreboard_;
    ProcessOps& ops_;
    unsigned wanted_;
    Scaling scaling_;
};

} // namespace fsrv
