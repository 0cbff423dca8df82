// An upgrade in place: the running server starts the program anew and hands its sockets over by
// number, FSRV_HANDOVER says which. The two then speak on a channel: the new server that it is
// ready, or why it cannot be; the old one that the sockets are the new one's from now on. Until
// then the old one goes on as before, and the new one dies with it.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "supervisor/process_ops.h"
#include "supervisor/sockets/listen_sockets.h"
#include "supervisor/sockets/offered_sockets.h"
#include "supervisor/start/origin.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv {

// The name of a socket that is for --admin.
inline constexpr std::string_view kAdminSocket = "fsrv-admin";

// What is handed over; descriptors stay the giver's.
struct Legacy {
    std::vector<ListenSockets::Handed> sockets;
    int control = -1; // -1: none
};

// The new server's end, until it serves in its own right.
class Predecessor final {
  public:
    explicit Predecessor(UniqueFd channel) : channel_(std::move(channel)) {}

    int fd() const { return channel_.get(); }
    void tell_failed(std::string_view why);
    // From now on its death is news on the channel, and no longer ours.
    bool tell_ready();
    enum class Word { none, yours, gone };
    Word hear();

  private:
    UniqueFd channel_;
};

// What this process was given, if it was started by start_successor().
struct Inheritance {
    std::optional<Predecessor> predecessor; // none: nobody
    std::vector<OfferedSocket> sockets;
    std::vector<UniqueFd> admin; // what --admin named
    UniqueFd control;
    int first_free_fd = kFirstOfferedFd; // those below are taken
    std::string problem;                 // why FSRV_HANDOVER cannot be true
};

// Takes FSRV_HANDOVER out of the environment. Call it before anything opens a descriptor.
Inheritance take_inheritance();

// The old server's end.
class Successor final {
  public:
    Successor(pid_t pid, UniqueFd channel) : pid_(pid), channel_(std::move(channel)) {}

    pid_t pid() const { return pid_; }
    int fd() const { return channel_.get(); }
    // `gone`: it will say nothing more, and should be about to end.
    enum class Word { none, ready, failed, gone };
    Word hear();
    const std::string& why() const { return why_; } // after `failed`
    bool tell_yours();

  private:
    pid_t pid_;
    UniqueFd channel_;
    std::string why_;
};

// The program as it is now, with the arguments and environment of the start, in the folder that we
// were started in. `manager`: what the service manager's variables are to be instead.
Result<Successor, std::string> start_successor(ProcessOps& ops, const Origin& origin,
                                               const std::vector<std::string>& manager,
                                               const Legacy& legacy);

} // namespace fsrv
