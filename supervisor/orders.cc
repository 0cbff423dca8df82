#include "supervisor/orders.h"

#include "common/control.h"
#include "common/log.h"

#include <vector>

namespace fsrv {
namespace {

Fitness fitness_of(const Worker& worker) {
    switch (worker.slot.state()) {
    case SlotState::ready: return Fitness::ready;
    case SlotState::silent: return Fitness::doubtful;
    default: return Fitness::none;
    }
}

} // namespace

void Orders::cover(Generation& generation) {
    std::vector<Worker>& workers = generation.workers;
    std::vector<Fitness> fitness;
    for (const Worker& worker : workers) fitness.push_back(fitness_of(worker));
    const std::vector<unsigned> servers = who_serves(fitness);
    std::vector<bool> alone(workers.size(),
                            false); // its new server does not know yet, so the old one goes on
    for (const CoverLedger::Order& order : generation.ledger.differences(servers)) {
        if (order.kind == ControlKind::unserve && alone[order.slot]) continue;
        const Worker& worker = workers[order.worker];
        if (worker.control &&
            send_control(worker.control.get(), {.kind = order.kind, .value = order.slot})) {
            generation.ledger.delivered(order);
            log_debug("slot={} is told to {} slot {}", order.worker,
                      order.kind == ControlKind::serve ? "serve" : "leave", order.slot);
            continue;
        }
        something_is_left_ = true;
        if (order.kind == ControlKind::serve) alone[order.slot] = true;
    }
}

void Orders::send_due(Generation& generation, std::uint64_t drain_ms) {
    for (Worker& worker : generation.workers) {
        if (!worker.control) continue;
        if (worker.wants_log && send_control(worker.control.get(), {.kind = ControlKind::log_file},
                                             generation.config.access_log.fd()))
            worker.wants_log = false;
        if (worker.wants_drain &&
            send_control(worker.control.get(), {.kind = ControlKind::drain, .value = drain_ms}))
            worker.wants_drain = false;
        something_is_left_ = something_is_left_ || worker.wants_log || worker.wants_drain;
    }
}

void Orders::send_due(Leavers& leavers) {
    for (Leaver& leaver : leavers.all()) {
        if (!leaver.control) continue;
        if (leaver.retire_ms != Leaver::kNothing &&
            send_control(leaver.control.get(),
                         {.kind = ControlKind::retire, .value = leaver.retire_ms}))
            leaver.retire_ms = Leaver::kNothing;
        if (leaver.log &&
            send_control(leaver.control.get(), {.kind = ControlKind::log_file}, leaver.log.get()))
            leaver.log.reset();
        something_is_left_ =
            something_is_left_ || leaver.retire_ms != Leaver::kNothing || leaver.log;
    }
}

} // namespace fsrv
