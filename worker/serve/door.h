// Door: where connections come in: the listeners, who is let in, who is turned away, and what is
// done when the system has no room for more. Thread: the loop's.
#pragma once

#include "common/ability.h"
#include "common/heritage.h"
#include "worker/serve/listener.h"
#include "worker/session/services.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace fsrv::serve {

class Door final {
  public:
    // `slot`: the worker's, for the log.
    Door(session::SessionServices& services, std::span<const ListenSocket> sockets, unsigned slot);
    Door(const Door&) = delete;
    Door& operator=(const Door&) = delete;

    // Sockets of that slot are this worker's to serve, or no more.
    void serve_slot(unsigned slot, bool on);
    // Now and then: listeners that were suspended accept again.
    void tick();
    // Takes in who waits at the sockets that it serves: the kernel may refuse the next.
    void let_all_in();
    // For good: the sockets are closed here.
    void shut();

    // --- for its listeners
    loop::Poller& poller() { return services_.poller; }
    std::uint64_t now_ms() const { return services_.exchanges.iteration.now_ms(); }
    bool accepting() const { return !services_.exchanges.ending.draining && accept_.is_there(); }
    // A new connection: sheds others, or refuses it, when there are too many.
    void let_in(int fd, const log::Peer& peer, const ListenSocket& from);
    void cannot_accept(int error); // out of descriptors or memory: all pause
    void tell_of_trouble(int error);

  private:
    bool speaks_tls(const ListenSocket& socket) const;
    session::Connection* make(int fd, const log::Peer& peer, const ListenSocket& from);
    void turn_away(int fd, bool clear); // with a 503 that costs nothing, or, of TLS, without

    session::SessionServices& services_;
    const unsigned slot_;
    std::vector<std::unique_ptr<Listener>> listeners_;
    std::uint64_t next_id_ = 1;
    Ability accept_; // accept(2), and to watch for its turn
    bool paused_ = false;
    std::uint64_t told_ms_ = 0; // last
};

} // namespace fsrv::serve
