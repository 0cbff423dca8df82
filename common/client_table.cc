#include "common/client_table.h"

#include "common/check.h"
#include "common/log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fsrv {
namespace {

using Word = std::atomic<std::uint64_t>;

constexpr std::uint64_t kLayout = 0x66737276'00000001; // another one, when what is below changes
constexpr int kClientSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
constexpr std::size_t kClientPage = 4096;

// So that no address is a user, and no user's rule an address.
enum class KeyKind : unsigned char { address = 1, user = 2, rule = 3 };

} // namespace

struct ClientTable::Head {
    Word layout{0};
    Word secret_low{0};
    Word secret_high{0};
    Word seats_used{0}; // those beyond were never claimed
    TokenBucket total;
    // By seat, the process that forked the one that sits there; 0: it is free.
    std::array<Word, limits::kClientSeats> owners{};
};

struct alignas(64) ClientTable::Set {
    std::array<Word, limits::kClientWays> keys{};    // 0: free
    std::array<Word, limits::kClientWays> seen_ms{}; // the last use
    std::array<ClientEntry, limits::kClientWays> entries{};
};

struct alignas(kClientPage) ClientTable::Seat {
    std::array<std::atomic<std::uint16_t>, kEntries> counts{};
};

struct ClientTable::Shared {
    alignas(kClientPage) Head head;
    alignas(kClientPage) std::array<Set, limits::kClientSets> sets;
    std::array<Seat, limits::kClientSeats> seats;
};

// --- the supervisor's

void ClientTable::open() {
    if (is_open()) return;
    if (memory_ && adopt()) return;
    memory_.reset(memfd_create("fsrv clients", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!memory_ || ftruncate(memory_.get(), sizeof(Shared)) != 0 || !map())
        fatal("no memory for the table of clients: {}", errno_text(errno));
    if (fcntl(memory_.get(), F_ADD_SEALS, kClientSeals) != 0)
        log_warn("the table of clients is not sealed: {}", errno_text(errno));
    // Of a new memfd all bytes are 0, which is what the words begin with.
    if (getentropy(&secret_, sizeof secret_) != 0)
        fatal("no random bytes for the table of clients: {}", errno_text(errno));
    Head& head = shared_->head;
    head.secret_low = secret_.low;
    head.secret_high = secret_.high;
    head.layout = kLayout;
}

bool ClientTable::adopt() {
    struct stat found {};
    const int seals = fcntl(memory_.get(), F_GET_SEALS);
    const bool fits = fstat(memory_.get(), &found) == 0 &&
                      found.st_size == static_cast<off_t>(sizeof(Shared)) && seals >= 0 &&
                      (seals & F_SEAL_SHRINK) != 0 && map();
    if (fits && shared_->head.layout == kLayout) {
        secret_ = {.low = shared_->head.secret_low, .high = shared_->head.secret_high};
        return true;
    }
    log_info("the server of before has counted its clients in another form: counting begins anew");
    forget();
    return false;
}

bool ClientTable::map() {
    void* const at =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, memory_.get(), 0);
    if (at == MAP_FAILED) return false;
    madvise(at, sizeof(Shared), MADV_DONTDUMP);
    shared_ = static_cast<Shared*>(at);
    return true;
}

bool ClientTable::is_orphaned(unsigned seat) const {
    const auto owner = static_cast<pid_t>(shared_->head.owners[seat].load());
    return owner > 0 && owner != getpid() && getpgid(owner) < 0 && errno == ESRCH;
}

std::optional<unsigned> ClientTable::claim_seat() {
    Head& head = shared_->head;
    for (unsigned seat = 0; seat < limits::kClientSeats; ++seat) {
        if (is_orphaned(seat)) clear_seat(seat);
        std::uint64_t nobody = 0;
        if (!head.owners[seat].compare_exchange_strong(nobody,
                                                       static_cast<std::uint64_t>(getpid())))
            continue;
        std::uint64_t used = head.seats_used;
        while (used <= seat && !head.seats_used.compare_exchange_weak(used, seat + 1)) {
        }
        return seat;
    }
    return std::nullopt;
}

void ClientTable::clear_seat(unsigned seat) {
    FSRV_CHECK(seat < limits::kClientSeats, "a seat of the table");
    for (auto& count : shared_->seats[seat].counts)
        if (count.load(std::memory_order_relaxed) != 0) count.store(0, std::memory_order_relaxed);
    shared_->head.owners[seat].store(0, std::memory_order_release);
}

// --- a child's

void ClientTable::sit_down(std::optional<unsigned> seat) {
    seat_ = seat;
    memory_.reset();
}

void ClientTable::forget() {
    if (shared_) munmap(shared_, sizeof(Shared));
    shared_ = nullptr;
    memory_.reset();
}

// --- a worker's

namespace {

ClientKey key_of_bytes(const SipSecret& secret, KeyKind kind, std::string_view bytes) {
    const SipSecret own{.low = secret.low ^ static_cast<std::uint64_t>(kind), .high = secret.high};
    const std::uint64_t hash = siphash(own, bytes);
    return {hash == 0 ? 1 : hash};
}

} // namespace

ClientKey ClientTable::key_of(const in6_addr& address) const {
    const bool is_ipv4 = IN6_IS_ADDR_V4MAPPED(&address);
    const std::string_view bytes(reinterpret_cast<const char*>(&address), sizeof address);
    return key_of_bytes(secret_, KeyKind::address, bytes.substr(0, is_ipv4 ? 16 : 8));
}

ClientKey ClientTable::key_of_user(std::string_view name) const {
    return key_of_bytes(secret_, KeyKind::user, name);
}

ClientKey ClientTable::key_of_rule(ClientKey client, unsigned rule) const {
    const std::array<std::uint64_t, 2> words{client.value, rule};
    std::array<char, sizeof words> bytes;
    std::memcpy(bytes.data(), words.data(), bytes.size());
    return key_of_bytes(secret_, KeyKind::rule, {bytes.data(), bytes.size()});
}

ClientEntry& ClientTable::entry(unsigned index) {
    return shared_->sets[index / limits::kClientWays].entries[index % limits::kClientWays];
}

std::optional<unsigned> ClientTable::index_of(ClientKey client) const {
    const auto set = static_cast<unsigned>(client.value % limits::kClientSets);
    for (unsigned way = 0; way < limits::kClientWays; ++way)
        if (shared_->sets[set].keys[way].load() == client.value)
            return set * limits::kClientWays + way;
    return std::nullopt;
}

std::optional<unsigned> ClientTable::find_index(ClientKey client, std::uint64_t now_ms) {
    auto index = index_of(client);
    if (!index) index = replace(client, now_ms);
    if (!index) return std::nullopt;
    Word& seen = shared_->sets[*index / limits::kClientWays].seen_ms[*index % limits::kClientWays];
    const std::uint64_t before = seen.load(std::memory_order_relaxed);
    if (now_ms > before + limits::kClientSeenMs || before > now_ms + limits::kClientSeenMs)
        seen.store(now_ms, std::memory_order_relaxed);
    return index;
}

// Two processes may do this at once, for two clients or for one: the second one that takes a way
// tries the next, and of two ways of one client the first is its own.
std::optional<unsigned> ClientTable::replace(ClientKey client, std::uint64_t now_ms) {
    const auto first =
        static_cast<unsigned>(client.value % limits::kClientSets) * limits::kClientWays;
    Set& set = shared_->sets[first / limits::kClientWays];
    struct Victim {
        std::uint64_t seen_ms = 0;
        unsigned way = 0;
        std::uint64_t key = 0;
    };
    std::array<Victim, limits::kClientWays> victims;
    for (unsigned way = 0; way < limits::kClientWays; ++way) {
        Victim& victim = victims[way];
        victim = {.way = way, .key = set.keys[way].load()};
        if (victim.key != 0) victim.seen_ms = 1 + set.seen_ms[way].load(std::memory_order_relaxed);
    }
    std::ranges::sort(victims, {}, &Victim::seen_ms);
    for (Victim& victim : victims) {
        const unsigned index = first + victim.way;
        if (victim.key != 0 && count_at(index) > 0) continue;
        if (!set.keys[victim.way].compare_exchange_strong(victim.key, client.value)) continue;
        const unsigned own = index_of(client).value_or(index);
        if (own != index) {
            std::uint64_t mine = client.value;
            set.keys[victim.way].compare_exchange_strong(mine, 0);
            return own;
        }
        ClientEntry& fresh = set.entries[victim.way];
        fresh.bytes.fill();
        fresh.requests.fill();
        fresh.proofs.fill();
        fresh.turn_ns.store(0, std::memory_order_relaxed);
        set.seen_ms[victim.way].store(now_ms, std::memory_order_relaxed);
        return index;
    }
    return std::nullopt;
}

ClientEntry* ClientTable::find(ClientKey client, std::uint64_t now_ms) {
    const auto index = find_index(client, now_ms);
    return index ? &entry(*index) : nullptr;
}

unsigned ClientTable::count_at(unsigned index) const {
    const auto seats = std::min<std::uint64_t>(shared_->head.seats_used, limits::kClientSeats);
    unsigned sum = 0;
    for (std::uint64_t seat = 0; seat < seats; ++seat)
        sum += shared_->seats[seat].counts[index].load(std::memory_order_relaxed);
    return sum;
}

unsigned ClientTable::count(ClientKey client) {
    const auto index = index_of(client);
    return index ? count_at(*index) : 0;
}

// False: it cannot be counted.
bool ClientTable::add(unsigned index) {
    if (!seat_) return false;
    auto& count = shared_->seats[*seat_].counts[index];
    std::uint16_t seen = count.load(std::memory_order_relaxed);
    while (seen < UINT16_MAX)
        if (count.compare_exchange_weak(seen, static_cast<std::uint16_t>(seen + 1))) return true;
    return false;
}

void ClientTable::Place::leave() {
    ClientTable* const table = std::exchange(table_, nullptr);
    if (!table) return;
    auto& count = table->shared_->seats[*table->seat_].counts[index_];
    std::uint16_t seen = count.load(std::memory_order_relaxed);
    while (seen > 0 && !count.compare_exchange_weak(seen, static_cast<std::uint16_t>(seen - 1))) {
    }
}

ClientTable::Place ClientTable::hold_place(ClientKey client, std::uint64_t now_ms) {
    const auto index = find_index(client, now_ms);
    return index && add(*index) ? Place(*this, *index) : Place();
}

std::optional<ClientTable::Place> ClientTable::take_place(ClientKey client, unsigned most,
                                                          std::uint64_t now_ms) {
    const auto index = find_index(client, now_ms);
    if (!index || !add(*index)) return Place();
    Place place(*this, *index);
    if (count_at(*index) > most) return std::nullopt;
    return place;
}

std::uint64_t ClientTable::may_try_in_ms(ClientKey client, unsigned budget, std::uint64_t now_ms) {
    const auto index = index_of(client);
    if (!index) return 0;
    const std::uint64_t now_ns = now_ms * 1'000'000;
    const std::uint64_t paid_ns = entry(*index).proofs.paid_ns(now_ns, limits::kProofWindowNs) +
                                  limits::kProofWindowNs / std::max(budget, 1U);
    return paid_ns <= now_ns ? 0 : (paid_ns - now_ns + 999'999) / 1'000'000;
}

void ClientTable::failed(ClientKey client, unsigned budget, std::uint64_t now_ms) {
    if (ClientEntry* const found = find(client, now_ms))
        found->proofs.reserve(limits::kProofWindowNs / std::max(budget, 1U), now_ms * 1'000'000,
                              limits::kProofWindowNs);
}

void ClientTable::proved(ClientKey client, unsigned budget) {
    if (const auto index = index_of(client))
        entry(*index).proofs.give_back(limits::kProofWindowNs / std::max(budget, 1U));
}

TokenBucket& ClientTable::total_bytes() {
    return shared_->head.total;
}

} // namespace fsrv
