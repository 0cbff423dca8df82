#include "supervisor/cover.h"

#include <algorithm>
#include <array>
#include <functional>
#include <gtest/gtest.h>
#include <random>

namespace fsrv {
namespace {

constexpr Fitness N = Fitness::none, D = Fitness::doubtful, R = Fitness::ready;
constexpr unsigned X = kNobody;

TEST(Cover, TheNextReadyWorkerInTheRingServes) {
    struct Row {
        std::vector<Fitness> slots;
        std::vector<unsigned> servers;
    };
    const Row table[] = {
        {{}, {}},
        {{R}, {0}},
        {{N}, {X}},
        {{D}, {0}},
        {{R, R, R}, {0, 1, 2}},
        {{R, N, R}, {0, 2, 2}},
        {{R, R, N}, {0, 1, 0}},
        {{N, N, R}, {2, 2, 2}},
        {{N, R, N}, {1, 1, 1}},
        {{N, N, N}, {X, X, X}},
        {{R, D, R}, {0, 2, 2}},
        {{R, D, N}, {0, 0, 0}},
        {{D, N, D}, {0, 2, 2}},
        {{D, N, N}, {0, 0, 0}},
        {{N, D, R, N}, {2, 2, 2, 2}},
        {{R, R, N, N}, {0, 1, 0, 1}},
        {{R, N, N, N, R, N, N, N}, {0, 4, 0, 4, 4, 0, 0, 4}},
        {{R, R, R, N}, {0, 1, 2, 0}},
    };
    for (const Row& row : table)
        EXPECT_EQ(who_serves(row.slots), row.servers) << testing::PrintToString(row.servers);
}

TEST(Cover, NobodyServesMoreThanOneSlotMoreThanAnother) {
    std::mt19937 random(3);
    for (int round = 0; round < 2000; ++round) {
        std::vector<Fitness> slots(1 + random() % 40);
        for (Fitness& slot : slots) slot = std::array{N, D, R}[random() % 3];
        std::vector<unsigned> load(slots.size(), 0);
        for (const unsigned server : who_serves(slots))
            if (server != kNobody) ++load[server];
        std::erase(load, 0U);
        if (load.empty()) continue;
        const auto [least, most] = std::minmax_element(load.begin(), load.end());
        ASSERT_LE(*most, *least + 1);
    }
}

// What the workers believe, as they obey the orders that reach them.
class World final {
  public:
    explicit World(unsigned slots)
        : fitness(slots, N), serves_(slots, std::vector<bool>(slots, false)) {}

    void set(unsigned slot, Fitness to) {
        if (to == N) {
            ledger_.forget(slot);
            std::fill(serves_[slot].begin(), serves_[slot].end(), false);
        } else {
            serves_[slot][slot] = true;
        }
        fitness[slot] = to;
    }

    // False: some order was lost on the way, so the ledger is not settled.
    bool settle(const std::function<bool()>& lost) {
        const auto servers = who_serves(fitness);
        bool settled = true;
        std::vector<bool> alone(fitness.size(), false);
        for (const auto& order : ledger_.differences(servers)) {
            if (order.kind == ControlKind::unserve && alone[order.slot]) {
                settled = false;
                continue;
            }
            if (lost()) {
                settled = false;
                if (order.kind == ControlKind::serve) alone[order.slot] = true;
                continue;
            }
            EXPECT_NE(order.worker, order.slot) << "its own is never spoken of";
            EXPECT_NE(fitness[order.worker], N) << "nobody is there to hear it";
            serves_[order.worker][order.slot] = order.kind == ControlKind::serve;
            ledger_.delivered(order);
        }
        return settled;
    }

    // Workers that accept on the slot's sockets and are ready.
    std::vector<unsigned> ready_servers(unsigned slot) const {
        std::vector<unsigned> result;
        for (unsigned w = 0; w < fitness.size(); ++w)
            if (serves_[w][slot] && fitness[w] == R) result.push_back(w);
        return result;
    }
    bool anybody_serves(unsigned slot) const {
        for (unsigned w = 0; w < fitness.size(); ++w)
            if (serves_[w][slot]) return true;
        return false;
    }

    std::vector<Fitness> fitness;

  private:
    std::vector<std::vector<bool>> serves_;
    CoverLedger ledger_;
};

TEST(Cover, EverySlotIsServedByItselfOrOneReadyNeighbourWheneverAnyIsReady) {
    std::mt19937 random(1);
    for (unsigned slots : {1U, 2U, 3U, 5U, 8U, 64U}) {
        World world(slots);
        for (int step = 0; step < 2000; ++step) {
            for (auto changes = random() % 3 + 1; changes > 0; --changes) {
                const unsigned slot = static_cast<unsigned>(random()) % slots;
                world.set(slot, std::array{N, D, R, R}[random() % 4]);
            }
            ASSERT_TRUE(world.settle([] { return false; }));
            const bool any_ready = std::count(world.fitness.begin(), world.fitness.end(), R) > 0;
            const bool anybody = std::count(world.fitness.begin(), world.fitness.end(), N) < slots;
            for (unsigned slot = 0; slot < slots; ++slot) {
                const auto servers = world.ready_servers(slot);
                if (any_ready) {
                    ASSERT_EQ(servers.size(), 1U) << "slot " << slot;
                    if (world.fitness[slot] == R) {
                        ASSERT_EQ(servers[0], slot);
                    }
                }
                ASSERT_EQ(world.anybody_serves(slot), anybody)
                    << "doubtful ones are better than nobody";
            }
            ASSERT_TRUE(world.settle([] {
                ADD_FAILURE() << "what was told is told again";
                return false;
            }));
        }
    }
}

TEST(Cover, OrdersThatDoNotGoThroughAreRepeatedAndLeaveNoSlotAlone) {
    std::mt19937 random(2);
    constexpr unsigned kSlots = 6;
    World world(kSlots);
    for (unsigned slot = 0; slot < kSlots; ++slot) world.set(slot, R);
    for (int step = 0; step < 3000; ++step) {
        const unsigned slot = static_cast<unsigned>(random()) % kSlots;
        const bool came_back = world.fitness[slot] == N;
        world.set(slot, came_back ? R : N);
        std::vector<bool> served(kSlots);
        for (unsigned s = 0; s < kSlots; ++s) served[s] = world.anybody_serves(s);
        while (!world.settle([&] { return random() % 2 == 0; }))
            for (unsigned s = 0; s < kSlots; ++s)
                ASSERT_TRUE(!served[s] || world.anybody_serves(s))
                    << "served before, alone in between";
        for (unsigned s = 0; s < kSlots; ++s) {
            if (std::count(world.fitness.begin(), world.fitness.end(), R) > 0) {
                ASSERT_EQ(world.ready_servers(s).size(), 1U);
            }
        }
    }
}

TEST(Cover, ServingIsOrderedBeforeLeaving) {
    CoverLedger ledger;
    for (const auto& order : ledger.differences(who_serves(std::array{R, N, N, N})))
        ledger.delivered(order);
    const auto orders = ledger.differences(who_serves(std::array{R, N, R, N})); // 1: from 0 to 2
    ASSERT_EQ(orders.size(), 3U);
    EXPECT_EQ(orders[0].kind, ControlKind::serve);
    EXPECT_EQ(orders[0].worker, 2U);
    EXPECT_EQ(orders[0].slot, 1U);
    EXPECT_EQ(orders[1].kind, ControlKind::unserve);
    EXPECT_EQ(orders[2].kind, ControlKind::unserve);
}

TEST(Cover, ANeighbourThatDiesHandsOnAllThatItCovered) {
    CoverLedger ledger;
    for (const auto& order : ledger.differences(who_serves(std::array{N, N, R, R})))
        ledger.delivered(order);
    ledger.forget(2);
    const auto orders = ledger.differences(who_serves(std::array{N, N, N, R}));
    ASSERT_EQ(orders.size(), 2U) << "3 has slot 1 already";
    for (const auto& order : orders) {
        EXPECT_EQ(order.kind, ControlKind::serve);
        EXPECT_EQ(order.worker, 3U);
    }
    EXPECT_EQ(orders[0].slot, 0U);
    EXPECT_EQ(orders[1].slot, 2U);
}

} // namespace
} // namespace fsrv
