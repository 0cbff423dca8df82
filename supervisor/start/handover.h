// An upgrade in place, on the side of the new server: it was started by the running one
// (successor.h), which handed its sockets over by number; FSRV_HANDOVER says which. The two then
// speak on a channel: the new server that it is ready, or why it cannot be; the old one that the
// sockets are the new one's from now on. Until then the old one goes on as before, and the new one
// dies with it.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "supervisor/sockets/listen_sockets.h"
#include "supervisor/sockets/offered_sockets.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv {

// The name of a socket that is for --admin.
inline constexpr std::string_view kAdminSocket = "fsrv-admin";
// That of no socket, but of what LastingTls has packed.
inline constexpr std::string_view kTlsParcel = "fsrv-tls";
// And of the memory of the ClientTable.
inline constexpr std::string_view kClientMemory = "fsrv-clients";

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
    UniqueFd tls;                        // for LastingTls
    UniqueFd clients;                    // for the ClientTable
    int first_free_fd = kFirstOfferedFd; // those below are taken
    std::string problem;                 // why FSRV_HANDOVER cannot be true
};

// Takes FSRV_HANDOVER out of the environment. Call it before anything opens a descriptor.
Inheritance take_inheritance();

// What both ends have in common.
namespace handover {

inline constexpr const char* kVariable = "FSRV_HANDOVER";

// First byte of a datagram on the channel.
inline constexpr char kReady = 'r', kFailed = 'f', kYours = 'y';

bool say(int channel, char what, std::string_view text = {});
// One datagram; nothing when there is none, "" when there will be none any more.
std::optional<std::string> listen_to(int channel);

// The value of the variable for what is handed over: as take_inheritance() reads it.
std::string describe(const Legacy& legacy);

} // namespace handover

} // namespace fsrv
