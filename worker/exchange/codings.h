// Codings: the coded representations of files: made in the pool, and kept, or made while they are
// sent.
//
// Up to limits::kMostCodedAtOnce a file is coded whole. What is made is kept by the version of the
// file (device, inode, size, times) and the coding, so once in a worker while there is room, which
// is bounded in bytes; the least recently used goes first. Who asks while another makes it gets the
// identity, so that no thread waits for another. Files that are young are coded anew each time.
// Larger ones are streams.
//
// At most half as many threads as a device has in the pool are at it at a time, and few streams are
// under way: beyond that it is the identity as well. Any thread.
#pragma once

#include "common/clock.h"
#include "worker/http/resource.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace fsrv::exchange {

// How many are at it.
class Places final {
  public:
    explicit Places(unsigned most) : most_(most) {}
    bool take() {
        unsigned taken = taken_.load(std::memory_order_relaxed);
        do {
            if (taken >= most_) return false;
        } while (!taken_.compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed));
        return true;
    }
    void take_anyway() { taken_.fetch_add(1, std::memory_order_relaxed); }
    void give_back() { taken_.fetch_sub(1, std::memory_order_relaxed); }
    unsigned taken() const { return taken_.load(std::memory_order_relaxed); }

  private:
    const unsigned most_;
    std::atomic<unsigned> taken_ = 0;
};

class Codings final {
  public:
    struct Config {
        std::size_t kept_bytes = 0; // at most
        unsigned threads = 1;       // of the pool, for each device
    };
    explicit Codings(const Config& config);
    Codings(const Codings&) = delete;
    Codings& operator=(const Codings&) = delete;

    enum class Given : std::uint8_t {
        yes,
        no,           // not now
        useless,      // nor ever of this version: it does not gain
        needs_thread, // it has to be made: where that may take as long as it does
    };
    // Adds the representation to what was found, whose body is of one file, whole; the identity
    // is no coding. May read and code all of it if `may_take_long`, else never waits.
    Given add(http::Resource& found, http::Coding coding, bool may_take_long);

    // Of what is sent packed (Resource::packed), its body becomes a stream that makes it so. False:
    // too many are under way.
    bool pack(http::Resource& found);

    std::size_t kept_bytes() const;
    unsigned at_work() const { return shares_->threads.taken(); }

    // Whether it is worth a try at all: of that size, and negotiated.
    static bool is_codable(const http::Resource& found);

    struct Shares {
        explicit Shares(unsigned threads_at_work);
        Places threads;
        Places streams;
    };

  private:
    struct Key {
        std::uint64_t device = 0;
        std::uint64_t inode = 0;
        std::uint64_t size = 0;
        FileTime mtime;
        FileTime ctime;
        http::Coding coding = http::Coding::identity;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct Hash {
        std::size_t operator()(const Key& key) const;
    };
    struct Entry {
        Key key;
        enum class State : std::uint8_t { being_made, useless, made } state = State::being_made;
        std::shared_ptr<const std::string> bytes; // made
        std::string repr_digest;                  // of them
        std::size_t cost() const { return sizeof *this + (bytes ? bytes->capacity() : 0) + 128; }
    };
    using Entries = std::list<Entry>; // the most recently used first

    static Key key_of(const http::OpenFile& file, http::Coding coding);
    Given add_kept(http::Resource& found, const http::OpenFile& file, http::Coding coding,
                   bool may_take_long);
    Given add_stream(http::Resource& found, std::shared_ptr<const http::OpenFile> file,
                     http::Coding coding);
    bool take_places();
    Entry* find(const Key& key); // under the mutex
    void keep(const Key& key, Entry::State state, std::shared_ptr<const std::string> bytes,
              const std::string& repr_digest);
    void forget(const Key& key);
    void erase(Entries::iterator entry);

    const Config config_;
    std::shared_ptr<Shares> shares_; // streams have it too
    mutable std::mutex mutex_;
    Entries entries_;
    std::unordered_map<Key, Entries::iterator, Hash> by_key_;
    std::size_t bytes_ = 0; // of those that are not being made
};

} // namespace fsrv::exchange
