// What every job of the pool starts with.
#pragma once

#include <sys/resource.h>

namespace fsrv::net {

// The thread gives way to the loop's: who waits for a disk can wait for a core too, and whom the
// loop answers from memory should wait for neither. Once for each thread; nothing depends on it.
inline void give_way_to_loop() {
    constexpr int kNicer = 10;
    static thread_local const int gave_way = ::setpriority(PRIO_PROCESS, 0, kNicer);
    static_cast<void>(gave_way);
}

} // namespace fsrv::net
