// Throttle: bandwidth: how many bytes of its body an answer may send now, and when it may ask
// again. That is the answer's Ration, and it is one of the three bounds of its room, beside the
// quantum and HTTP/2's window.
//
// Each bucket (of the client, of the client and a rule, of the server) lies in the ClientTable, and
// is reserved from in turn by all workers. What a reservation gives may be used from its moment on,
// so nobody is woken but the one whose turn it is. The strictest of the buckets decides.
//
//   a line    the rations of one client (and rule) in this worker that wait: first come, first
//             served. It has one reservation at a time, for the first of them.
//   a turn    of --total-rate: a client has one reservation there at a time, over all its lines, in
//             all workers. So each client gets as much as any other, however many connections it
//             has, and what a client does not ask for is nobody's to wait for.
//
// What is reserved at a time shrinks with the rate, and with how much is reserved already. What a
// ration has left is the next one's of its line when its client takes nothing, and with it; where
// none waits it goes back. Thread: the loop's.
#pragma once

#include "common/client_table.h"
#include "common/intrusive_list.h"
#include "worker/exchange/iteration.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

namespace fsrv::exchange {

// Bytes per second; 0: any number.
struct Rates {
    std::uint64_t client = 0; // of one client
    std::uint64_t total = 0;  // of all of them
};

// Of one client, by the rule that its request fell under.
struct RuleRate {
    unsigned rule = 0;                  // which: a number that stays over a reload
    std::uint64_t bytes_per_second = 0; // 0: any number
};

// Whose bytes they are.
struct Payer {
    ClientKey client;
    bool is_client = true; // false: --total-rate alone holds, as for a Unix socket's other end
    RuleRate rule;
};

class Throttle;
struct ThrottleLine;

class RationHome {
  public:
    // There is something to send again. May do anything, end the ration included.
    virtual void on_ration() = 0;

  protected:
    ~RationHome() = default;
};

class Ration final {
  public:
    Ration(Throttle& throttle, ThrottleLine& line, RationHome& home)
        : throttle_(throttle), line_(line), home_(home) {}
    ~Ration();
    Ration(const Ration&) = delete;
    Ration& operator=(const Ration&) = delete;

    // Bytes that may be sent now. 0: none; RationHome::on_ration() follows.
    std::uint64_t ask();
    bool is_waiting() const { return is_waiting_; }
    void spent(std::uint64_t bytes) { left_ -= bytes < left_ ? bytes : left_; }
    // The client takes nothing: what is left is for another of its answers, or goes back.
    void rest();

  private:
    friend class Throttle;

    Throttle& throttle_;
    ThrottleLine& line_;
    RationHome& home_;
    ListHook<Ration> hook_;
    std::uint64_t left_ = 0;
    bool is_waiting_ = false;

  public:
    using List = IntrusiveList<Ration, &Ration::hook_>;
};

class Throttle final {
  public:
    static constexpr std::uint64_t kNever = ~std::uint64_t{0};

    // `chance`: a number that no other worker has, not 0.
    Throttle(ClientTable& clients, Rates rates, const Iteration& iteration,
             std::uint64_t chance = 1);
    ~Throttle();
    Throttle(const Throttle&) = delete;
    Throttle& operator=(const Throttle&) = delete;

    // For an answer of so many bytes, if it is known. Null: it may send all of them, since nothing
    // limits it, or since it is small and is paid for.
    std::unique_ptr<Ration> ration(const Payer& payer, std::optional<std::uint64_t> bytes,
                                   RationHome& home);
    // A small answer, all of it at once, which may leave a debt. False: it has to take its turns.
    bool pay_at_once(const Payer& payer, std::uint64_t bytes);

    // When give() has something to do.
    std::uint64_t next_due_ms() const { return due_.empty() ? kNever : due_.begin()->first; }
    // Rations to whose turn it is.
    void give();

  private:
    friend class Ration;
    struct Bucket;
    struct Turn { // of --total-rate
        bool is_ours = false;
        std::uint64_t begin_ns = 0; // if it is
        std::uint64_t next_ms = 0;  // if not: when to try again
    };
    using Due = std::set<std::pair<std::uint64_t, ThrottleLine*>>;

    bool is_limited(const Payer& payer) const;
    template <class Look>
    void for_each_bucket(const Payer& payer, Look look);
    template <class Look>
    void for_each_own_bucket(const Payer& payer, Look look); // not the server's
    std::uint64_t quantum(const Payer& payer);
    bool reserve(ThrottleLine& line);
    Turn take_turn(const Payer& payer, std::uint64_t cost_ns);
    bool pay_total_at_once(const Payer& payer, std::uint64_t bytes);
    void give_back(const Payer& payer, std::uint64_t bytes);
    void pass_on(ThrottleLine& line, std::uint64_t bytes);
    void advance(ThrottleLine& line, bool tell);
    void wait_until(ThrottleLine& line, std::uint64_t due_ms);
    void wait_no_more(ThrottleLine& line);
    void join(Ration& ration);
    void leave(Ration& ration);
    std::uint64_t now_ns() const { return iteration_.now_ms() * 1'000'000; }
    std::uint64_t little_by_chance_ms();

    ClientTable& clients_;
    const Rates rates_;
    const Iteration& iteration_;
    std::unordered_map<std::uint64_t, std::unique_ptr<ThrottleLine>> lines_;
    Due due_;
    std::uint64_t chance_;
};

} // namespace fsrv::exchange
