// The Unix socket that `fsrv --ctl` speaks to: bound by the supervisor, for its own user alone
// (mode 0600). A client asks once, in one datagram of text, and is answered once: the exit status
// as a digit, then text for a person. The supervisor never waits for a client.
#pragma once

#include "common/options.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "supervisor/sockets/unix_listener.h"
#include "supervisor/start_error.h"

#include <optional>
#include <poll.h>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv {

// --control, or control.sock in the (first) folder that `runtime_directory` names, which may be
// null; empty: there is none.
std::string control_path(const Options& options, const char* runtime_directory);

inline constexpr std::size_t kMaxControlClients = 16; // more are one too many: the oldest that has
                                                      // not asked goes

class ControlSocket final {
  public:
    struct Request {
        unsigned client = 0;
        std::string text;
    };

    // As UnixListener: a stale file is replaced, a living server's is not.
    static Result<ControlSocket, StartError> open(const std::string& path);

    // Of the server before: its clients are heard once it is our own. One of another path, or whose
    // file is gone, is not taken: open().
    static Result<ControlSocket, StartError> adopt(UniqueFd fd, const std::string& path);
    void own();

    ControlSocket(ControlSocket&&) noexcept = default;
    ControlSocket& operator=(ControlSocket&&) noexcept = default;
    ~ControlSocket(); // hangs up, and removes the file if it is our own

    const std::string& path() const { return listener_.path(); }
    int fd() const { return listener_.fd(); }
    void append_fds(std::vector<pollfd>& fds) const; // that something can be heard from

    // Clients that have asked meanwhile; those who hung up are forgotten.
    std::vector<Request> take_requests();
    // Once for every request; a client that is gone, or does not read, does not hear it. `fd`,
    // which stays ours, travels along; -1: none.
    void answer(unsigned client, bool good, std::string_view text, int fd = -1);

    // In a process that is not the server: closes everything, and leaves the file alone.
    void forget();

  private:
    struct Client {
        unsigned number = 0;
        UniqueFd fd;
        bool has_asked = false;
    };

    explicit ControlSocket(UnixListener listener) : listener_(std::move(listener)) {}
    void accept_clients();
    void make_room();
    bool hear(Client& client, std::vector<Request>& requests); // false: it is gone

    UnixListener listener_;
    std::vector<Client> clients_;
    unsigned last_number_ = 0;
    bool is_ours_ = true;
};

} // namespace fsrv
