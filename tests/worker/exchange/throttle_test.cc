#include "worker/exchange/throttle.h"

#include <algorithm>
#include <deque>
#include <gtest/gtest.h>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace fsrv::exchange {
namespace {

constexpr std::uint64_t kStart = 1'000'000; // ms
constexpr std::uint64_t kKiB = 1024, kMiB = 1024 * kKiB;

struct Simulation;

// A client that takes all it can get, or so much per second.
struct Flow final : RationHome {
    Flow(Throttle& its_throttle, const Iteration& its_iteration, const Payer& payer,
         std::uint64_t takes)
        : iteration(its_iteration),
          ration(its_throttle.ration(payer, std::nullopt, *this)),
          takes_per_second(takes),
          began_ms(iteration.now_ms()) {}

    void on_ration() override {
        ++woken;
        go_on();
    }
    void go_on() {
        if (ends) return;
        while (const std::uint64_t left = ration->ask()) {
            const std::uint64_t some = std::min(left, room());
            ration->spent(some);
            got += some;
            if (some < left) return ration->rest();
        }
    }
    std::uint64_t room() const {
        if (takes_per_second == 0) return ~std::uint64_t{0};
        const std::uint64_t taken = takes_per_second * (iteration.now_ms() - began_ms) / 1'000;
        return taken - std::min(taken, got);
    }

    const Iteration& iteration;
    std::unique_ptr<Ration> ration;
    std::uint64_t takes_per_second; // 0: all
    std::uint64_t began_ms;
    std::uint64_t got = 0;
    unsigned woken = 0;
    bool ends = false;
};

// Workers by a hand clock, each a few milliseconds late as it comes.
struct Simulation {
    struct Worker {
        Worker(ClientTable& table, Rates rates) : throttle(table, rates, iteration) {}
        Iteration iteration;
        Throttle throttle;
        unsigned late_ms = 0;
    };

    explicit Simulation(Rates rates, unsigned count = 1) {
        table.open();
        table.sit_down(table.claim_seat());
        for (unsigned i = 0; i < count; ++i) {
            workers.push_back(std::make_unique<Worker>(table, rates));
            workers.back()->iteration.begin(now_ms);
            workers.back()->late_ms = i % 3;
        }
    }

    Payer payer(const std::string& name, RuleRate rule = {}) {
        return {.client = table.key_of_user(name), .rule = rule};
    }
    Flow& add(const Payer& payer, unsigned worker = 0, std::uint64_t takes_per_second = 0) {
        Worker& w = *workers.at(worker);
        flows.emplace_back(w.throttle, w.iteration, payer, takes_per_second);
        flows.back().go_on();
        return flows.back();
    }
    void run(std::uint64_t ms) {
        for (const std::uint64_t end = now_ms + ms; now_ms < end;) {
            ++now_ms;
            for (const auto& worker : workers) {
                worker->iteration.begin(now_ms);
                if (worker->throttle.next_due_ms() + worker->late_ms <= now_ms)
                    worker->throttle.give();
            }
            for (Flow& flow : flows)
                if (flow.takes_per_second > 0) flow.go_on();
        }
    }
    void forget() {
        for (Flow& flow : flows) flow.got = 0;
    }
    std::uint64_t got() const {
        return std::accumulate(flows.begin(), flows.end(), std::uint64_t{0},
                               [](std::uint64_t sum, const Flow& flow) { return sum + flow.got; });
    }

    std::uint64_t now_ms = kStart;
    ClientTable table;
    std::vector<std::unique_ptr<Worker>> workers;
    std::deque<Flow> flows;
};

// In parts of a hundred, how far it is from what it should be.
double off_by(std::uint64_t is, std::uint64_t should_be) {
    return 100 * (static_cast<double>(is) / static_cast<double>(should_be) - 1);
}

TEST(Throttle, WhatNothingLimitsHasNoRation) {
    Simulation s({.client = 0, .total = 0});
    struct Nobody final : RationHome {
        void on_ration() override {}
    } nobody;
    EXPECT_EQ(s.workers[0]->throttle.ration(s.payer("ann"), std::nullopt, nobody), nullptr);
    Simulation limited({.client = kMiB});
    Payer other_end = limited.payer("socket");
    other_end.is_client = false;
    EXPECT_EQ(limited.workers[0]->throttle.ration(other_end, std::nullopt, nobody), nullptr)
        << "no client";
}

// Each of the many has a socket that takes less than a turn.
TEST(Throttle, ManyConnectionsThatTakeLittleAtATimeGetAsMuchAsOneThatTakesAll) {
    for (const std::uint64_t rate : {kMiB, 100 * kMiB})
        for (const unsigned workers : {1U, 4U}) {
            Simulation s({.total = rate}, workers);
            for (unsigned i = 0; i < 100; ++i) s.add(s.payer("ann"), i % workers, rate / 50);
            s.add(s.payer("bob"));
            s.run(10'000);
            const std::uint64_t bobs = s.flows.back().got;
            EXPECT_LT(std::abs(off_by(bobs, 5 * rate)), 5) << rate << ' ' << workers;
            EXPECT_LT(std::abs(off_by(s.got() - bobs, 5 * rate)), 5) << rate << ' ' << workers;
        }
}

TEST(Throttle, AClientGetsItsRateOverTenSecondsHoweverManyConnectionsAndWorkers) {
    for (const std::uint64_t rate : {kKiB, 10 * kKiB, 64 * kKiB, kMiB, 100 * kMiB, 10'240 * kMiB})
        for (const unsigned connections : {1U, 3U, 100U})
            for (const unsigned workers : {1U, 2U, 4U}) {
                Simulation s({.client = rate}, workers);
                for (unsigned i = 0; i < connections; ++i) s.add(s.payer("ann"), i % workers);
                s.run(10'000);
                EXPECT_LT(std::abs(off_by(s.got(), 10 * rate)), rate < 64 * kKiB ? 10 : 5)
                    << rate << " B/s, " << connections << " connections, " << workers
                    << " workers: " << off_by(s.got(), 10 * rate);
            }
}

TEST(Throttle, ConnectionsOfAClientTakeTurns) {
    Simulation s({.client = kMiB}, 2);
    for (unsigned i = 0; i < 20; ++i) s.add(s.payer("ann"), i % 2);
    s.run(1'000); // the first one to come was alone
    s.forget();
    s.run(10'000);
    for (const Flow& flow : s.flows) EXPECT_LT(std::abs(off_by(flow.got, kMiB / 2)), 20);
}

TEST(Throttle, TheTotalIsSharedByClientsNotByConnections) {
    for (const std::uint64_t rate : {64 * kKiB, kMiB, 100 * kMiB})
        for (const unsigned workers : {1U, 2U, 4U}) {
            Simulation s({.total = rate}, workers);
            for (unsigned i = 0; i < 100; ++i) s.add(s.payer("many"), i % workers);
            const Flow& one = s.add(s.payer("one"));
            s.run(10'000);
            EXPECT_LT(std::abs(off_by(s.got(), 10 * rate)), 5) << rate << ' ' << workers;
            EXPECT_LT(std::abs(off_by(one.got, s.got() / 2)), 10)
                << rate << ' ' << workers << ": " << off_by(one.got, s.got() / 2);
        }
}

TEST(Throttle, ManyClientsGetTheSame) {
    Simulation s({.total = 10 * kMiB}, 4);
    for (unsigned i = 0; i < 100; ++i)
        for (unsigned n = 0; n <= i % 3; ++n) s.add(s.payer(std::to_string(i)), (i + n) % 4);
    s.run(1'000);
    s.forget();
    s.run(20'000);
    EXPECT_LT(std::abs(off_by(s.got(), 200 * kMiB)), 5);
    std::vector<std::uint64_t> by_client(100);
    std::size_t at = 0;
    for (unsigned i = 0; i < 100; ++i)
        for (unsigned n = 0; n <= i % 3; ++n) by_client[i] += s.flows[at++].got;
    for (const std::uint64_t got : by_client) EXPECT_LT(std::abs(off_by(got, 2 * kMiB)), 15);
}

TEST(Throttle, WhatASlowClientLeavesGoesToTheOthers) {
    Simulation s({.total = kMiB}, 2);
    const Flow& slow = s.add(s.payer("slow"), 0, 100 * kKiB);
    const Flow& fast = s.add(s.payer("fast"), 1);
    s.run(10'000);
    EXPECT_LT(std::abs(off_by(slow.got, 1'000 * kKiB)), 10);
    EXPECT_LT(std::abs(off_by(fast.got, 10 * kMiB - slow.got)), 6);
}

TEST(Throttle, TheStrictestOfAllHolds) {
    struct Row {
        Rates rates;
        std::uint64_t rule;
        std::uint64_t gets;
    };
    const Row rows[] = {{{.client = kMiB, .total = 2 * kMiB}, 512 * kKiB, 512 * kKiB},
                        {{.client = kMiB, .total = 2 * kMiB}, 4 * kMiB, kMiB},
                        {{.client = 4 * kMiB, .total = 2 * kMiB}, 3 * kMiB, 2 * kMiB},
                        {{.client = 0, .total = 0}, kMiB, kMiB}};
    for (const Row& row : rows) {
        Simulation s(row.rates, 2);
        const Payer payer = s.payer("ann", {.rule = 7, .bytes_per_second = row.rule});
        for (unsigned i = 0; i < 4; ++i) s.add(payer, i % 2);
        s.run(10'000);
        EXPECT_LT(std::abs(off_by(s.got(), 10 * row.gets)), 5) << row.gets;
    }
    Simulation s({}, 1);
    for (const unsigned rule : {1U, 2U})
        s.add(s.payer("ann", {.rule = rule, .bytes_per_second = kMiB}));
    s.run(10'000);
    EXPECT_LT(std::abs(off_by(s.got(), 20 * kMiB)), 5) << "a bucket per client and rule";
}

TEST(Throttle, NothingIsSavedUpDuringAPause) {
    Simulation s({.client = kMiB});
    Flow& flow = s.add(s.payer("ann"));
    s.run(5'000);
    flow.ends = true;
    flow.ration->rest();
    s.run(60'000);
    const std::uint64_t before = flow.got;
    flow.ends = false;
    flow.go_on();
    s.run(1'000);
    EXPECT_LE(flow.got - before, kMiB * 13 / 10) << "a burst of less than a second";
}

TEST(Throttle, WhoIsOneOfManyIsWokenOnlyForItsTurn) {
    Simulation s({.client = kMiB});
    for (unsigned i = 0; i < 1'000; ++i) s.add(s.payer("ann"));
    s.run(1'000);
    unsigned woken = 0;
    for (const Flow& flow : s.flows) woken += flow.woken;
    EXPECT_LE(woken, 20U);
}

TEST(Throttle, SmallAnswersGoAtOnceDownToADebt) {
    Simulation s({.client = kMiB});
    Throttle& throttle = s.workers[0]->throttle;
    unsigned sent = 0;
    while (throttle.pay_at_once(s.payer("ann"), 4 * kKiB)) ++sent;
    EXPECT_LE(sent, 256U * 35 / 100 + 1) << "burst and debt: 0.35 s of 256 a second";
    EXPECT_GE(sent, 256U * 35 / 100 - 1);
    EXPECT_TRUE(throttle.pay_at_once(s.payer("bob"), 4 * kKiB)) << "another client";
    s.run(100);
    EXPECT_TRUE(throttle.pay_at_once(s.payer("ann"), 4 * kKiB));
    EXPECT_FALSE(throttle.pay_at_once(s.payer("ann"), 256 * kKiB)) << "too much of a debt";
    EXPECT_TRUE(throttle.pay_at_once(s.payer("ann"), 0));
}

TEST(Throttle, SmallAnswersAreNoWayAroundTheShareOfOthers) {
    Simulation s({.total = kMiB}, 2);
    const Flow& download = s.add(s.payer("download"));
    std::uint64_t small = 0;
    for (unsigned ms = 0; ms < 10'000; ++ms) {
        for (unsigned i = 0; i < 50; ++i)
            if (s.workers[1]->throttle.pay_at_once(s.payer("many"), 4 * kKiB)) small += 4 * kKiB;
        s.run(1);
    }
    EXPECT_GT(download.got, 10 * kMiB * 4 / 10) << small;
    EXPECT_LT(download.got + small, 10 * kMiB * 105 / 100);
}

TEST(Throttle, WhoeverEndsLeavesItsTurnToTheNext) {
    Simulation s({.client = 64 * kKiB});
    std::vector<std::unique_ptr<Flow>> flows;
    for (unsigned i = 0; i < 50; ++i)
        flows.push_back(std::make_unique<Flow>(s.workers[0]->throttle, s.workers[0]->iteration,
                                               s.payer("ann"), 0));
    for (const auto& flow : flows) flow->go_on();
    s.run(2'000);
    for (unsigned i = 0; i < 49; ++i) flows.erase(flows.begin());
    const std::uint64_t before = flows.front()->got;
    s.run(10'000);
    EXPECT_LT(std::abs(off_by(flows.front()->got - before, 640 * kKiB)), 5);
    flows.clear();
    EXPECT_EQ(s.workers[0]->throttle.next_due_ms(), Throttle::kNever);
}

// On being told it ends, as a connection that is closed does, and another with it.
TEST(Throttle, WhoIsToldMayEndItselfAndOthers) {
    Simulation s({.client = kMiB});
    struct Ender final : RationHome {
        void on_ration() override {
            ration.reset();
            if (other) other->ration.reset();
        }
        std::unique_ptr<Ration> ration;
        Ender* other = nullptr;
    };
    std::vector<std::unique_ptr<Ender>> enders;
    Throttle& throttle = s.workers[0]->throttle;
    for (unsigned i = 0; i < 10; ++i) {
        enders.push_back(std::make_unique<Ender>());
        enders.back()->ration = throttle.ration(s.payer("ann"), std::nullopt, *enders.back());
        while (const std::uint64_t left = enders.back()->ration->ask())
            enders.back()->ration->spent(left);
        if (i > 0) enders[i - 1]->other = enders[i].get();
    }
    s.run(5'000);
    EXPECT_EQ(throttle.next_due_ms(), Throttle::kNever);
}

} // namespace
} // namespace fsrv::exchange
