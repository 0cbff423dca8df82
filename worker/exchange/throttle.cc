#include "worker/exchange/throttle.h"

#include "common/check.h"
#include "common/limits.h"

#include <algorithm>

namespace fsrv::exchange {

struct ThrottleLine {
    Payer payer;
    std::uint64_t id = 0;
    Ration::List waiting;
    std::size_t rations = 0;    // waiting ones among them
    std::uint64_t reserved = 0; // bytes; 0: nothing is
    std::uint64_t begin_ns = 0; // of what is reserved
    std::uint64_t due_ms = Throttle::kNever;
};

namespace {

std::uint64_t to_ms_rounded_up(std::uint64_t ns) {
    return (ns + 999'999) / 1'000'000;
}

// What is reserved at a time of a bucket in which all is paid for in `ahead_ns`: with n who reserve
// in turn each waits for about the square root of n times limits::kQuantumNs.
std::uint64_t quantum_of(std::uint64_t per_second, std::uint64_t ahead_ns) {
    constexpr auto kFull = static_cast<double>(limits::kQuantumNs);
    const double ns = kFull * kFull / (kFull + static_cast<double>(ahead_ns));
    return std::max(worth_of_ns(static_cast<std::uint64_t>(ns), per_second), limits::kLeastQuantum);
}

} // namespace

// --- an answer's

Ration::~Ration() {
    throttle_.leave(*this);
}

std::uint64_t Ration::ask() {
    if (left_ == 0 && !is_waiting_) throttle_.join(*this);
    return left_;
}

void Ration::rest() {
    throttle_.pass_on(line_, std::exchange(left_, 0));
}

// --- the buckets

struct Throttle::Bucket {
    TokenBucket& tokens;
    std::uint64_t per_second;
};

Throttle::Throttle(ClientTable& clients, Rates rates, const Iteration& iteration,
                   std::uint64_t chance)
    : clients_(clients), rates_(rates), iteration_(iteration), chance_(chance) {}

Throttle::~Throttle() {
    FSRV_CHECK(lines_.empty(), "rations outlive their throttle");
}

bool Throttle::is_limited(const Payer& payer) const {
    return rates_.total > 0 ||
           (payer.is_client && (rates_.client > 0 || payer.rule.bytes_per_second > 0));
}

template <class Look>
void Throttle::for_each_bucket(const Payer& payer, Look look) {
    if (rates_.total > 0) look(Bucket{clients_.total_bytes(), rates_.total});
    for_each_own_bucket(payer, look);
}

// Where the table has no room for a client its own buckets are not there.
template <class Look>
void Throttle::for_each_own_bucket(const Payer& payer, Look look) {
    if (!payer.is_client) return;
    const std::uint64_t now_ms = iteration_.now_ms();
    if (rates_.client > 0)
        if (ClientEntry* const entry = clients_.find(payer.client, now_ms))
            look(Bucket{entry->bytes, rates_.client});
    if (payer.rule.bytes_per_second > 0)
        if (ClientEntry* const entry =
                clients_.find(clients_.key_of_rule(payer.client, payer.rule.rule), now_ms))
            look(Bucket{entry->bytes, payer.rule.bytes_per_second});
}

void Throttle::give_back(const Payer& payer, std::uint64_t bytes) {
    if (bytes == 0) return;
    for_each_bucket(payer, [bytes](const Bucket& bucket) {
        bucket.tokens.give_back(cost_ns(bytes, bucket.per_second));
    });
}

// It is that client's turn still: else who has many connections that take little each would get
// less than others.
void Throttle::pass_on(ThrottleLine& line, std::uint64_t bytes) {
    if (bytes == 0) return;
    if (line.waiting.empty()) return give_back(line.payer, bytes);
    if (line.reserved == 0) {
        line.begin_ns = now_ns();
        wait_no_more(line);
        wait_until(line, iteration_.now_ms());
    }
    line.reserved += bytes;
}

bool Throttle::pay_at_once(const Payer& payer, std::uint64_t bytes) {
    if (bytes == 0 || !is_limited(payer)) return true;
    bool pays = true;
    for_each_own_bucket(payer, [&](const Bucket& bucket) {
        const std::uint64_t paid_ns = bucket.tokens.paid_ns(now_ns(), limits::kByteBurstNs);
        if (paid_ns + cost_ns(bytes, bucket.per_second) > now_ns() + limits::kByteDebtNs)
            pays = false;
    });
    if (!pays || (rates_.total > 0 && !pay_total_at_once(payer, bytes))) return false;
    for_each_own_bucket(payer, [&](const Bucket& bucket) {
        bucket.tokens.reserve(cost_ns(bytes, bucket.per_second), now_ns(), limits::kByteBurstNs);
    });
    return true;
}

// What nobody has come for in time is anybody's; else it is a turn like others.
bool Throttle::pay_total_at_once(const Payer& payer, std::uint64_t bytes) {
    TokenBucket& total = clients_.total_bytes();
    const std::uint64_t cost = cost_ns(bytes, rates_.total);
    if (total.take(cost + limits::kBetweenTurnsNs, now_ns(), limits::kByteBurstNs)) {
        total.give_back(limits::kBetweenTurnsNs);
        return true;
    }
    const std::uint64_t paid_ns = total.paid_ns(now_ns(), limits::kByteBurstNs);
    return paid_ns + cost <= now_ns() + limits::kByteDebtNs && bytes <= quantum(payer) &&
           take_turn(payer, cost).is_ours;
}

std::unique_ptr<Ration> Throttle::ration(const Payer& payer, std::optional<std::uint64_t> bytes,
                                         RationHome& home) {
    if (!is_limited(payer) || (bytes && pay_at_once(payer, *bytes))) return nullptr;
    const std::uint64_t id = payer.rule.bytes_per_second > 0
                                 ? clients_.key_of_rule(payer.client, payer.rule.rule).value
                                 : payer.client.value;
    std::unique_ptr<ThrottleLine>& line = lines_[id];
    if (!line) {
        line = std::make_unique<ThrottleLine>();
        line->payer = payer;
        line->id = id;
    }
    ++line->rations;
    return std::make_unique<Ration>(*this, *line, home);
}

// --- the lines

std::uint64_t Throttle::quantum(const Payer& payer) {
    std::uint64_t least = Throttle::kNever;
    for_each_bucket(payer, [&](const Bucket& bucket) {
        const std::uint64_t paid_ns = bucket.tokens.paid_ns(now_ns(), 0);
        least = std::min(least, quantum_of(bucket.per_second, paid_ns - now_ns()));
    });
    return least;
}

// Those that wait for the same moment in several workers are to have the same chance.
std::uint64_t Throttle::little_by_chance_ms() {
    chance_ ^= chance_ << 13;
    chance_ ^= chance_ >> 7;
    chance_ ^= chance_ << 17;
    return chance_ % 4;
}

Throttle::Turn Throttle::take_turn(const Payer& payer, std::uint64_t cost) {
    TokenBucket& total = clients_.total_bytes();
    ClientEntry* const entry = clients_.find(payer.client, iteration_.now_ms());
    if (!entry)
        return {.is_ours = true, .begin_ns = total.reserve(cost, now_ns(), limits::kByteBurstNs)};
    std::uint64_t last_ns = entry->turn_ns.load(std::memory_order_relaxed);
    const std::uint64_t next_ns =
        std::min(last_ns, now_ns() + limits::kMostDebtNs) + limits::kBetweenTurnsNs;
    if (next_ns > now_ns()) return {.next_ms = to_ms_rounded_up(next_ns)};
    const std::uint64_t begin_ns = total.reserve(cost, now_ns(), limits::kByteBurstNs);
    if (entry->turn_ns.compare_exchange_strong(last_ns, std::max(begin_ns, now_ns()),
                                               std::memory_order_relaxed))
        return {.is_ours = true, .begin_ns = begin_ns};
    total.give_back(cost); // another worker was faster
    return {.next_ms = iteration_.now_ms() + 1};
}

// False: it waits for when it may try again.
bool Throttle::reserve(ThrottleLine& line) {
    const std::uint64_t bytes = quantum(line.payer);
    if (bytes == kNever) { // the table has no room for its buckets
        line.reserved = limits::kTurnBytes;
        line.begin_ns = 0;
        return true;
    }
    std::uint64_t begin_ns = 0;
    if (rates_.total > 0) {
        const Turn turn = take_turn(line.payer, cost_ns(bytes, rates_.total));
        if (!turn.is_ours) {
            wait_until(line, turn.next_ms + little_by_chance_ms());
            return false;
        }
        begin_ns = turn.begin_ns;
    }
    for_each_own_bucket(line.payer, [&](const Bucket& bucket) {
        begin_ns = std::max(begin_ns, bucket.tokens.reserve(cost_ns(bytes, bucket.per_second),
                                                            now_ns(), limits::kByteBurstNs));
    });
    line.reserved = bytes;
    line.begin_ns = begin_ns;
    return true;
}

// Reserves for the first that waits, and gives it what is reserved when it is time. `tell`: it is
// not the one that asks. Then the line may be gone afterwards.
void Throttle::advance(ThrottleLine& line, bool tell) {
    wait_no_more(line);
    if (line.waiting.empty()) return;
    if (line.reserved == 0 && !reserve(line)) return;
    if (line.begin_ns > now_ns()) {
        wait_until(line, to_ms_rounded_up(line.begin_ns));
        return;
    }
    Ration& first = *line.waiting.front();
    line.waiting.remove(first);
    first.is_waiting_ = false;
    first.left_ = std::exchange(line.reserved, 0);
    if (!line.waiting.empty()) wait_until(line, iteration_.now_ms());
    if (tell) first.home_.on_ration();
}

void Throttle::give() {
    while (next_due_ms() <= iteration_.now_ms()) advance(*due_.begin()->second, true);
}

void Throttle::join(Ration& ration) {
    ThrottleLine& line = ration.line_;
    ration.is_waiting_ = true;
    line.waiting.push_back(ration);
    if (line.due_ms == kNever) advance(line, false);
}

// What was reserved for it is the next one's.
void Throttle::leave(Ration& ration) {
    ThrottleLine& line = ration.line_;
    if (ration.is_waiting_) line.waiting.remove(ration);
    pass_on(line, std::exchange(ration.left_, 0));
    if (line.waiting.empty()) {
        wait_no_more(line);
        give_back(line.payer, std::exchange(line.reserved, 0));
    }
    if (--line.rations == 0) lines_.erase(line.id);
}

void Throttle::wait_until(ThrottleLine& line, std::uint64_t due_ms) {
    line.due_ms = due_ms;
    due_.insert({due_ms, &line});
}

void Throttle::wait_no_more(ThrottleLine& line) {
    if (line.due_ms != kNever) due_.erase({std::exchange(line.due_ms, kNever), &line});
}

} // namespace fsrv::exchange
