// Who accepts on whose sockets. Every slot's sockets stay open for ever, so somebody has to accept
// on those of a slot whose worker is missing or hanging. The kernel spreads connections evenly over
// the sockets, so the ready ones share those slots evenly.
#pragma once

#include "common/control.h"

#include <set>
#include <span>
#include <utility>
#include <vector>

namespace fsrv {

enum class Fitness {
    none,     // no process, or one that does not accept
    doubtful, // accepting, but without a heartbeat of late
    ready,
};

inline constexpr unsigned kNobody = ~0U;

// For each slot the slot whose worker accepts on its sockets: itself when it is ready, else of
// those that have the fewest to serve the next one in the ring of slots. Where none is ready,
// doubtful ones take their place; kNobody when there are none either.
std::vector<unsigned> who_serves(std::span<const Fitness> slots);

// What each worker was told, so that only differences are sent. A worker serves its own slot
// untold.
class CoverLedger final {
  public:
    struct Order {
        unsigned worker = 0; // slot of the worker to tell
        ControlKind kind{};  // serve or unserve
        unsigned slot = 0;
    };

    // What remains to be told, every `serve` before any `unserve`, so that no socket is left alone
    // in between.
    std::vector<Order> differences(std::span<const unsigned> servers) const;

    void delivered(const Order& order);
    void forget(unsigned worker); // it ended; its successor knows nothing

  private:
    std::set<std::pair<unsigned, unsigned>> told_; // worker, slot
};

} // namespace fsrv
