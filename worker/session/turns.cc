#include "worker/session/turns.h"

#include "common/limits.h"
#include "worker/session/connection.h"

#include <chrono>

namespace fsrv::session {

void Turns::give() {
    using Clock = std::chrono::steady_clock;
    if (waiting_.empty()) return;
    const Clock::time_point end = Clock::now() + std::chrono::nanoseconds(limits::kTurnsNs);
    do {
        Connection* const next = waiting_.front();
        waiting_.pop_front();
        next->go_on();
    } while (!waiting_.empty() && Clock::now() < end);
}

} // namespace fsrv::session
