// An upgrade in place, on the side of the server that hands over: it starts the program anew, goes
// on as before until that is ready, and then only finishes what its workers have begun. A successor
// that never gets ready changes nothing.
#pragma once

#include "supervisor/admin_process.h"
#include "supervisor/crew.h"
#include "supervisor/petitions.h"
#include "supervisor/phase.h"
#include "supervisor/process_ops.h"
#include "supervisor/sockets/admin_listener.h"
#include "supervisor/sockets/listen_sockets.h"
#include "supervisor/successor.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/types.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace fsrv {

class Upgrade final {
  public:
    struct Setup {
        // Starts the program anew, to replace this one.
        std::function<Result<Successor, std::string>()> start_successor;
        // This process, a successor that is ready or ourselves again, is the server from now on.
        std::function<void(pid_t server)> on_handing_over;

        // What is given away, or up, when the successor serves.
        ListenSockets& sockets;
        AdminListener* admin_listener = nullptr; // these two: or none
        AdminProcess* admin_process = nullptr;
    };
    // All outlive this. Of `phase` only stop and handed_over are changed, and that by a hand-over.
    Upgrade(Setup setup, Phase& phase, Crew& crew, Petitions& petitions, ProcessOps& ops)
        : setup_(std::move(setup)), phase_(phase), crew_(crew), petitions_(petitions), ops_(ops) {}

    // One change at a time.
    void ask(bool is_reloading, std::uint64_t now);
    bool is_under_way() const { return successor_.has_value(); }

    // In every turn, before any signal that would end the successor: it may serve already. Hands
    // over when it is ready.
    void watch_successor(std::uint64_t now);
    bool on_ended(pid_t pid, ExitStatus status); // true: it was the successor
    // The server stops, as Phase says already: a successor that has not heard would serve on.
    void give_up();

    std::uint64_t next_deadline() const { return due_; }
    void append_fds(std::vector<pollfd>& fds) const;
    void close_in_child() { successor_.reset(); }

  private:
    const char* why_not(bool is_reloading) const; // null: it can begin
    void refuse(const std::string& why);
    void drop_successor(const std::string& why);
    void hand_over(std::uint64_t now);

    Setup setup_;
    Phase& phase_;
    Crew& crew_;
    Petitions& petitions_;
    ProcessOps& ops_;
    pid_t own_pid_ = getpid();
    std::optional<Successor> successor_; // while an upgrade is under way
    std::uint64_t due_ = kNever;         // for its word
    bool successor_has_ended_ = false;
};

} // namespace fsrv
