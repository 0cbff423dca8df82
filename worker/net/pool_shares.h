// PoolShares: how many of the pool's threads wait for each device. All but one at most, so that a
// disk or a mount that does not answer leaves a thread to the others; what is too much waits in
// order of arrival. Thread: the loop's.
#pragma once

#include "common/intrusive_list.h"

#include <deque>
#include <sys/types.h>

namespace fsrv::net {

// Waits for one device at a time.
class PoolWaiter {
  public:
    // It is this one's turn: it has the share, and gives it back.
    virtual void on_pool_turn() = 0;

    bool waits_for_pool() const { return waiting_; }

    // PoolShares' own.
    ListHook<PoolWaiter> pool_hook_;
    dev_t device_ = 0;
    bool waiting_ = false;

  protected:
    ~PoolWaiter() = default;
};

class PoolShares final {
  public:
    // Of a pool with so many threads.
    explicit PoolShares(unsigned threads) : cap_(threads > 1 ? threads - 1 : 1) {}

    // True: go on, and give_back() when done. False: `waiter` is told when it may.
    bool take(dev_t device, PoolWaiter& waiter);
    // May be the turn of another one, which is told at once.
    void give_back(dev_t device);
    // `waiter` wants it no more; nothing, if it does not wait.
    void forget(PoolWaiter& waiter);

  private:
    struct Device {
        dev_t id = 0;
        unsigned busy = 0;
        IntrusiveList<PoolWaiter, &PoolWaiter::pool_hook_> waiting;
    };
    Device& device(dev_t id);

    unsigned cap_;
    std::deque<Device> devices_; // few; references stay
};

} // namespace fsrv::net
