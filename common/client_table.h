// ClientTable: what limits need to know of clients, in memory that all workers share, over reloads
// and upgrades: buckets (token_bucket.h) and how many requests each has under way. Bounded: of the
// clients that a new one could take the place of, the one goes that was idle the longest.
//
// Nobody locks anything, so a process may be killed at any moment. What it had counted stands on a
// seat of its own, which its supervisor clears; a client's count is the sum over the seats.
//
// A worker that was taken over can write all of this. So whoever reads believes nothing: an index
// is never read from here, times are bounded, and counts are numbers that nothing hangs on but who
// is refused.
//
// The memory is a memfd, sealed so that nobody can make it smaller; the server that replaces this
// one gets the descriptor, and both count in it while they are two.
#pragma once

#include "common/limits.h"
#include "common/siphash.h"
#include "common/token_bucket.h"
#include "common/unique_fd.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <netinet/in.h>
#include <optional>
#include <string_view>
#include <utility>

namespace fsrv {

// Who is limited: the keyed hash of an address (of IPv6, its /64) or of a user's name. 0: nobody.
struct ClientKey {
    std::uint64_t value = 0;
    friend bool operator==(const ClientKey&, const ClientKey&) = default;
};

struct ClientEntry {
    TokenBucket bytes;    // of bodies
    TokenBucket requests; // per second
    TokenBucket proofs;   // that failed
    // When its last part of --total-rate began, or begins: nanoseconds.
    std::atomic<std::uint64_t> turn_ns{0};
};

class ClientTable final {
  public:
    // One more of what a client has under way, while this lives.
    class Place final {
      public:
        Place() = default;
        Place(Place&& other) noexcept
            : table_(std::exchange(other.table_, nullptr)), index_(other.index_) {}
        Place& operator=(Place&& other) noexcept {
            std::swap(table_, other.table_);
            std::swap(index_, other.index_);
            return *this;
        }
        ~Place() { leave(); }
        void leave();

      private:
        friend class ClientTable;
        Place(ClientTable& table, unsigned index) : table_(&table), index_(index) {}

        ClientTable* table_ = nullptr;
        unsigned index_ = 0;
    };

    ClientTable() = default;
    ~ClientTable() { forget(); }
    ClientTable(const ClientTable&) = delete;
    ClientTable& operator=(const ClientTable&) = delete;

    // --- the supervisor's: nothing is there before open()
    // What open() is to take, from the server that this one replaces.
    void inherit(UniqueFd memory) { memory_ = std::move(memory); }
    // Again: nothing happens. fatal() when the system has no memory. What was inherited, and is of
    // another build, is left alone.
    void open();
    bool is_open() const { return shared_ != nullptr; }
    int fd() const { return memory_.get(); } // -1: there is nothing to hand over
    // For a process to be; none: there are too many, and that one counts nothing. Seats of servers
    // that have died with their workers become free here.
    std::optional<unsigned> claim_seat();
    void clear_seat(unsigned seat); // its process has ended, or never began

    // --- a child's
    void sit_down(std::optional<unsigned> seat); // what it counts, it counts there
    void forget();                               // it has none of this

    // --- a worker's, any thread
    ClientKey key_of(const in6_addr& address) const;
    ClientKey key_of_user(std::string_view name) const;
    // Of what a client has by one rule.
    ClientKey key_of_rule(ClientKey client, unsigned rule) const;

    // The client's entry, which is new with full buckets if there was none. Null: all that it could
    // replace have something under way. Valid for now: it may be somebody else's a moment later.
    ClientEntry* find(ClientKey client, std::uint64_t now_ms);

    // None: it would be more than `most`.
    std::optional<Place> take_place(ClientKey client, unsigned most, std::uint64_t now_ms);
    // Whatever there are.
    Place hold_place(ClientKey client, std::uint64_t now_ms);
    unsigned count(ClientKey client); // 0 too if it has no entry

    // Of a client whose proofs failed more than `budget` times a minute no more are to be looked
    // at: milliseconds until the next one may be; 0: it may.
    std::uint64_t may_try_in_ms(ClientKey client, unsigned budget, std::uint64_t now_ms);
    void failed(ClientKey client, unsigned budget, std::uint64_t now_ms);
    // Takes back a failed() that was said in advance, so that many proofs at once are counted too.
    void proved(ClientKey client, unsigned budget);

    TokenBucket& total_bytes();

  private:
    struct Head;
    struct Set;
    struct Seat;
    struct Shared;
    static constexpr unsigned kEntries = limits::kClientSets * limits::kClientWays;

    bool adopt();
    bool map();
    bool is_orphaned(unsigned seat) const;
    std::optional<unsigned> index_of(ClientKey client) const;
    std::optional<unsigned> find_index(ClientKey client, std::uint64_t now_ms);
    std::optional<unsigned> replace(ClientKey client, std::uint64_t now_ms);
    ClientEntry& entry(unsigned index);
    unsigned count_at(unsigned index) const;
    bool add(unsigned index);

    UniqueFd memory_;
    Shared* shared_ = nullptr;
    SipSecret secret_;
    std::optional<unsigned> seat_; // of this process
};

} // namespace fsrv
