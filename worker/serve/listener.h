// Listener: accepts on one of the supervisor's sockets, while its slot is this worker's to serve.
// The socket is never closed here before the worker drains: several processes hold it, and its
// queue outlives each of them. Thread: the loop's.
#pragma once

#include "common/heritage.h"
#include "worker/loop/poller.h"

namespace fsrv::serve {

class Door;

class Listener final : public loop::PollTarget {
  public:
    Listener(Door& door, const ListenSocket& socket) : door_(door), socket_(socket) {}
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    const ListenSocket& socket() const { return socket_; }
    void start();
    void stop(); // the queue stays for whoever serves it next
    bool active() const { return active_; }
    void suspend(); // out of descriptors: polls nothing until resume(), else the loop would spin on
                    // the waiting queue
    void resume();
    void accept_batch(unsigned limit);
    bool is_due(std::uint64_t now) const {
        return broken_until_ms_ != 0 && now >= broken_until_ms_;
    }

  private:
    void on_ready(std::uint32_t events) override;

    Door& door_;
    ListenSocket socket_;
    bool active_ = false;
    std::uint64_t broken_until_ms_ = 0; // this socket alone does not accept; 0: it does
};

} // namespace fsrv::serve
