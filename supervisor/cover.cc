#include "supervisor/cover.h"

#include <algorithm>

namespace fsrv {

std::vector<unsigned> who_serves(std::span<const Fitness> slots) {
    const auto count = static_cast<unsigned>(slots.size());
    std::vector<unsigned> servers(count, kNobody);
    if (count == 0) return servers;
    const Fitness best = *std::max_element(slots.begin(), slots.end());
    if (best == Fitness::none) return servers;
    std::vector<unsigned> load(count, 0); // slots that each one serves
    for (unsigned slot = 0; slot < count; ++slot) {
        if (slots[slot] != best) continue;
        servers[slot] = slot;
        load[slot] = 1;
    }
    for (unsigned slot = 0; slot < count; ++slot) {
        if (slots[slot] == best) continue;
        unsigned least = kNobody;
        for (unsigned step = 1; step < count; ++step) {
            const unsigned candidate = (slot + step) % count;
            if (slots[candidate] == best && (least == kNobody || load[candidate] < load[least]))
                least = candidate;
        }
        servers[slot] = least;
        ++load[least];
    }
    return servers;
}

std::vector<CoverLedger::Order> CoverLedger::differences(std::span<const unsigned> servers) const {
    std::vector<Order> orders;
    for (unsigned slot = 0; slot < servers.size(); ++slot) {
        const unsigned worker = servers[slot];
        if (worker != kNobody && worker != slot && !told_.contains({worker, slot}))
            orders.push_back({.worker = worker, .kind = ControlKind::serve, .slot = slot});
    }
    for (const auto& [worker, slot] : told_)
        if (servers[slot] != worker)
            orders.push_back({.worker = worker, .kind = ControlKind::unserve, .slot = slot});
    return orders;
}

void CoverLedger::delivered(const Order& order) {
    if (order.kind == ControlKind::serve)
        told_.insert({order.worker, order.slot});
    else
        told_.erase({order.worker, order.slot});
}

void CoverLedger::forget(unsigned worker) {
    std::erase_if(told_, [&](const auto& entry) { return entry.first == worker; });
}

} // namespace fsrv
