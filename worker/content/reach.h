// Reach: which device a look-up may wait for. A job of the pool is charged to one device at a time
// (worker/disk/pool.h); of all others it takes only what is in memory. Where that is not
// enough it gives up with kOtherDevice, and is done again when it has been charged to that one. So
// a look-up that waits is charged to whom it waits for, whatever links led there.
//
// On the loop nobody may be waited for: there a look-up gives up with kNotInMemory, and is done
// again by the pool.
#pragma once

#include "worker/content/mounts.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <sys/types.h>
#include <vector>

namespace fsrv::content {

inline constexpr int kOtherDevice = EREMCHG; // Reach::wanted says which
inline constexpr int kNotInMemory = EREMOTEIO;

struct Reach {
    bool anywhere = true; // the rest does not matter
    dev_t device = 0;     // the one that is charged
    bool wants = false;   // wanted is the one that has to be asked
    dev_t wanted = 0;
    bool wants_listing = false; // what takes long: a listing has to be made
    bool in_memory = false;     // nobody is asked; the rest does not matter
    bool wants_thread = false;  // that was not enough
    // Charged before: what was asked of them is in memory, though the kernel cannot be told for all
    // of it to ask nobody.
    std::vector<dev_t> passed;
    std::shared_ptr<const std::vector<Mount>> mounts; // may be none

    bool may_ask(dev_t other) const {
        return anywhere || other == device ||
               std::find(passed.begin(), passed.end(), other) != passed.end();
    }
    int want(dev_t other) {
        wants = true;
        wanted = other;
        return kOtherDevice;
    }
    int want_thread() {
        wants_thread = true;
        return kNotInMemory;
    }
    // Charged to whom it wanted. Who was sent to and fro too often, by devices that keep nothing in
    // memory, may go anywhere.
    void go_there() {
        passed.push_back(device);
        device = wanted;
        wants = false;
        anywhere = passed.size() > kMostDevices;
    }

  private:
    static constexpr std::size_t kMostDevices = 8;
};

} // namespace fsrv::content
