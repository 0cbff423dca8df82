#include "worker/net/pool_shares.h"

#include "common/check.h"

#include <algorithm>

namespace fsrv::net {

PoolShares::Device& PoolShares::device(dev_t id) {
    // A device that nobody uses gives its place to the next: their number stays that of the busy.
    Device* unused = nullptr;
    for (Device& known : devices_) {
        if (known.id == id) return known;
        if (known.busy == 0) unused = &known;
    }
    if (!unused) unused = &devices_.emplace_back();
    unused->id = id;
    return *unused;
}

bool PoolShares::take(dev_t id, PoolWaiter& waiter) {
    Device& wanted = device(id);
    if (wanted.busy < cap_) {
        ++wanted.busy;
        return true;
    }
    FSRV_CHECK(!waiter.waiting_, "waits for two devices");
    waiter.device_ = id;
    waiter.waiting_ = true;
    wanted.waiting.push_back(waiter);
    return false;
}

void PoolShares::give_back(dev_t id) {
    Device& freed = device(id);
    FSRV_CHECK(freed.busy > 0, "more shares came back than were taken");
    PoolWaiter* const next = freed.waiting.front();
    if (!next) {
        --freed.busy;
        return;
    }
    freed.waiting.remove(*next);
    next->waiting_ = false;
    next->on_pool_turn();
}

void PoolShares::forget(PoolWaiter& waiter) {
    if (!waiter.waiting_) return;
    device(waiter.device_).waiting.remove(waiter);
    waiter.waiting_ = false;
}

} // namespace fsrv::net
