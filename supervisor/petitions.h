// What is asked by `fsrv --ctl`, and who still waits for which verdict. To do what is asked is for
// who takes the petitions: nothing is called from here.
#pragma once

#include "supervisor/ctl/control_socket.h"
#include "supervisor/ctl/ctl_command.h"

#include <map>
#include <poll.h>
#include <string_view>
#include <vector>

namespace fsrv {

class Petitions final {
  public:
    struct Petition {
        unsigned client = 0;
        CtlCommand command;
    };

    // `socket`, which outlives this, may be null: then nobody asks.
    explicit Petitions(ControlSocket* socket) : socket_(socket) {}

    // What has been asked since the last time. Who asks for nonsense is told so here.
    std::vector<Petition> take();

    // At once. `fd`, which stays the caller's, travels along; -1: none.
    void answer(const Petition& petition, bool good, std::string_view text, int fd = -1);

    // Its client waits for a verdict: on the next undertaking of that kind, where there can be one
    // under way already that it did not ask for (reload, upgrade).
    void wait_for_next(const Petition& petition);
    void wait(const Petition& petition);
    // Such an undertaking begins: those who wait for the next one wait for this one.
    void begin(CtlKind kind);

    bool is_awaited(CtlKind kind) const; // of what is under way
    // The verdict on what is under way; on what has not begun, and will not.
    void answer(CtlKind kind, bool good, std::string_view text);
    void refuse_next(CtlKind kind, std::string_view text);

    void append_fds(std::vector<pollfd>& fds) const; // that something can be heard from
    void own();                                      // a predecessor's socket is ours from now on
    void forget(); // in a process that is not, or no longer, the server: nobody is answered

  private:
    using Clients = std::vector<unsigned>;
    void answer_all(Clients& clients, bool good, std::string_view text);

    ControlSocket* socket_;
    std::map<CtlKind, Clients> waiting_;      // for what is under way
    std::map<CtlKind, Clients> waiting_next_; // for what is to begin
};

} // namespace fsrv
