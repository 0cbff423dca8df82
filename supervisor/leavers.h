// Workers that accept no more but still finish downloads, while their slot has a successor already.
// Pure, like WorkerSlot.
#pragma once

#include "common/unique_fd.h"

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace fsrv {

// Beyond --grace, for a worker to end by itself.
inline constexpr std::uint64_t kOvertimeMs = 2'000;

struct Leaver {
    unsigned slot = 0; // that it had
    pid_t pid = 0;
    std::uint64_t spawned_at = 0;
    std::uint64_t must_end_at = 0; // kNever: no limit
    unsigned score = 0;            // its slot of the scoreboard
    unsigned generation = 0;
    UniqueFd control;                   // only to be written to: it has nothing more to say
    std::string log_path;               // of the access log that it writes; empty: no file
    UniqueFd log;                       // that access log, opened anew, still to be sent; or none
    std::uint64_t retire_ms = kNothing; // still to be told to leave within this; kNothing: it knows

    static constexpr std::uint64_t kNothing = ~std::uint64_t{0};
};

class Leavers final {
  public:
    void add(Leaver leaver) { all_.push_back(std::move(leaver)); }
    std::optional<Leaver> take(pid_t pid); // it has ended
    // Those to kill now; each is named once.
    std::vector<pid_t> overdue(std::uint64_t now);
    void limit(std::uint64_t until); // nobody may stay longer
    std::uint64_t next_deadline() const;

    bool empty() const { return all_.empty(); }
    std::vector<Leaver>& all() { return all_; }
    const std::vector<Leaver>& all() const { return all_; }

  private:
    std::vector<Leaver> all_;
};

} // namespace fsrv
