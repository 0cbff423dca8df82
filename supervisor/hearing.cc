#include "supervisor/hearing.h"

#include "common/control.h"
#include "common/log.h"

namespace fsrv {
namespace {

constexpr unsigned kUselessMessages = 64; // then it is no longer listened to

void on_useless_message(Worker& worker, unsigned index) {
    ++worker.useless;
    if (worker.useless == 1)
        log_warn("slot={} worker {} sent a message that makes no sense", index, worker.slot.pid());
    if (worker.useless == kUselessMessages)
        log_warn("slot={} worker {} is no longer listened to", index, worker.slot.pid());
}

} // namespace

bool is_listened_to(const Worker& worker) {
    return worker.control && worker.useless < kUselessMessages;
}

bool hear_that_it_leaves(Worker& worker, unsigned index, unsigned& budget, std::uint64_t now) {
    for (; budget > 0 && is_listened_to(worker); --budget) {
        const Received received = receive_control(worker.control.get());
        switch (received.status) {
        case ReceiveStatus::nothing: return false;
        case ReceiveStatus::malformed: on_useless_message(worker, index); break;
        case ReceiveStatus::closed:
            worker.control.reset();
            worker.slot.on_channel_closed(now);
            return false;
        case ReceiveStatus::message:
            if (received.message.kind == ControlKind::leaving) {
                --budget;
                return true;
            }
            if (received.message.kind == ControlKind::ready && worker.slot.on_ready(now))
                log_debug("slot={} worker {} is ready after {} ms", index, worker.slot.pid(),
                          now - worker.slot.spawned_at());
            else
                on_useless_message(worker, index);
            break;
        }
    }
    return false;
}

} // namespace fsrv
