// So many values, each under a digest that nobody can choose (an HMAC under a key of this start);
// when there is no more room, the one goes that has not been asked for the longest.
#pragma once

#include "common/crypto/digest.h"

#include <cstdint>
#include <cstring>
#include <list>
#include <unordered_map>
#include <utility>

namespace fsrv::access {

template <class Value>
class Kept final {
  public:
    explicit Kept(std::size_t most) : most_(most) {}

    std::size_t size() const { return entries_.size(); }

    // Null: there is none. Valid until the next call of keep() or drop().
    Value* find(const crypto::Digest& key) {
        const auto found = index_.find(key);
        if (found == index_.end()) return nullptr;
        entries_.splice(entries_.begin(), entries_, found->second);
        return &found->second->second;
    }

    Value& keep(const crypto::Digest& key, Value value) {
        drop(key);
        entries_.emplace_front(key, std::move(value));
        index_[key] = entries_.begin();
        if (entries_.size() > most_) {
            index_.erase(entries_.back().first);
            entries_.pop_back();
        }
        return entries_.front().second;
    }

    void drop(const crypto::Digest& key) {
        const auto found = index_.find(key);
        if (found == index_.end()) return;
        entries_.erase(found->second);
        index_.erase(found);
    }

  private:
    struct Hash {
        std::size_t operator()(const crypto::Digest& key) const {
            std::size_t hash = 0;
            std::memcpy(&hash, key.bytes.data(), sizeof hash);
            return hash;
        }
    };
    using Entries = std::list<std::pair<crypto::Digest, Value>>; // asked for last first

    std::size_t most_; // at least one
    Entries entries_;
    std::unordered_map<crypto::Digest, typename Entries::iterator, Hash> index_;
};

} // namespace fsrv::access
