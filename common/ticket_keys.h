// The keys of TLS session tickets, in memory that the supervisor shares with all workers of all
// generations, so that a session resumes on any of them. The supervisor makes a new one every
// limits::kTicketRotationMs and forgets the oldest; workers only read. A server that replaces
// another one begins with its keys.
//
// The memory is a memfd, sealed against other writers (Linux 5.1), as the scoreboard is: a child
// maps it anew, to read, and no mprotect() makes that writable. It is in no core (MADV_DONTDUMP).
#pragma once

#include "common/limits.h"
#include "common/secret.h"
#include "common/unique_fd.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

namespace fsrv {

struct TicketKey {
    std::array<std::uint8_t, 16> name{}; // stands in the ticket in clear
    std::array<std::uint8_t, 32> aes{};  // AES-256
    std::array<std::uint8_t, 32> hmac{}; // of HMAC-SHA-256
    std::uint64_t made_ms = 0;           // monotonic_ms(); its age is monotonic_ms() minus that

    friend bool operator==(const TicketKey&, const TicketKey&) = default;
};

// A copy of the keys at one moment. Wiped at its end.
struct TicketKeySet {
    std::uint64_t version = 0; // of the ring: as TicketKeyRing::version()
    unsigned count = 0;
    std::array<TicketKey, limits::kTicketKeys> keys; // the first one encrypts, all decrypt

    TicketKeySet() = default;
    TicketKeySet(const TicketKeySet&) = default;
    TicketKeySet& operator=(const TicketKeySet&) = default;
    ~TicketKeySet() { wipe(keys.data(), sizeof keys); }
    std::span<const TicketKey> all() const { return {keys.data(), count}; }
};

// In the shared memory. One writer; readers in any thread of any process.
class TicketKeyRing final {
  public:
    // Changes with each new key, and is even but while that is written: one load tells whether a
    // copy is the newest.
    std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
    // False: they are being changed just now, and `keys` is as it was. The next call will do,
    // unless the supervisor died in the middle.
    bool read(TicketKeySet& keys) const;

  private:
    friend class TicketKeys;
    using Word = std::atomic<std::uint64_t>;
    static constexpr std::size_t kWords = sizeof(TicketKey) / sizeof(Word);
    static_assert(sizeof(TicketKey) % sizeof(Word) == 0 && Word::is_always_lock_free);

    void write(std::span<const TicketKey> keys);

    Word version_{0};
    Word count_{0};
    std::array<Word, kWords * limits::kTicketKeys> words_{};
};

// The supervisor's side. Nothing is there before open().
class TicketKeys final {
  public:
    TicketKeys() = default;
    ~TicketKeys();
    TicketKeys(const TicketKeys&) = delete;
    TicketKeys& operator=(const TicketKeys&) = delete;

    // The memory, with `inherited` in it (newest first, as many as have room) or one new key.
    // Again: nothing happens. fatal() when the system has no memory or no random bytes.
    void open(std::uint64_t now_ms, std::span<const TicketKey> inherited = {});
    bool is_open() const { return ring_ != nullptr; }
    const TicketKeyRing* ring() const { return ring_; } // null: not open
    TicketKeySet keys() const;

    // A new key, if it is time for one.
    void rotate_if_due(std::uint64_t now_ms);
    std::uint64_t next_rotation() const; // monotonic_ms(); ~0: never

    // In a child: from now on this process can only read them, at the same address; or cannot even
    // that. There is no way back, unless the kernel is older than Linux 5.1.
    void keep_read_only();
    void forget();

  private:
    void add(std::uint64_t now_ms);

    UniqueFd memory_;
    TicketKeyRing* ring_ = nullptr;
    // What the supervisor goes on from is not what lies in shared memory.
    TicketKeySet own_;
};

} // namespace fsrv
