// Long listings of the last second, for whoever asks for the same again: a folder of a hundred
// thousand names costs a tenth of a second of a processor. Any thread; nobody waits in it but for
// another who looks something up.
#pragma once

#include "common/clock.h"
#include "worker/content/listing.h"
#include "worker/http/body.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <sys/stat.h>

namespace fsrv::content {

class ListingCache final {
  public:
    // What a listing depends on, but for the sizes and times of files and where links lead: these
    // may be a second old.
    struct Key {
        dev_t device = 0;
        ino_t inode = 0;
        FileTime mtime, ctime; // of the folder: they move with every name in it
        std::string path;      // stands in the page
        ListingOrder order;
        bool json = false;
        std::string part = {}; // of the folder: what else the query says
        friend bool operator==(const Key&, const Key&) = default;
    };

    explicit ListingCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    std::optional<http::Body> find(const Key& key, std::uint64_t now_ms);
    void keep(Key key, const http::Body& body, std::uint64_t now_ms);
    void drop_old(std::uint64_t now_ms);
    void clear();

  private:
    struct Kept {
        Key key;
        http::Body body;
        std::size_t bytes = 0;
        std::uint64_t until_ms = 0;
    };
    using Queue = std::deque<Kept>;

    // What goes is moved to `gone`, which is freed without the lock.
    void drop_front(Queue& gone);
    void drop_old(std::uint64_t now_ms, Queue& gone);

    const std::size_t max_bytes_;
    std::mutex mutex_;
    Queue kept_; // oldest first
    std::size_t bytes_ = 0;
};

} // namespace fsrv::content
