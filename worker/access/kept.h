// So many values, each under a fingerprint that nobody can choose;
// when there is no more room, the one goes that has not been asked for the longest.
#pragma once

#include "worker/access/fingerprint.h"

#include <cstdint>
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
    Value* find(const Fingerprint& key) {
        const auto found = index_.find(key);
        if (found == index_.end()) return nullptr;
        entries_.splice(entries_.begin(), entries_, found->second);
        return &found->second->second;
    }

    Value& keep(const Fingerprint& key, Value value) {
        drop(key);
        entries_.emplace_front(key, std::move(value));
        index_[key] = entries_.begin();
        if (entries_.size() > most_) {
            index_.erase(entries_.back().first);
            entries_.pop_back();
        }
        return entries_.front().second;
    }

    void drop(const Fingerprint& key) {
        const auto found = index_.find(key);
        if (found == index_.end()) return;
        entries_.erase(found->second);
        index_.erase(found);
    }

  private:
    struct Hash {
        std::size_t operator()(const Fingerprint& key) const { return key.low; }
    };
    using Entries = std::list<std::pair<Fingerprint, Value>>; // asked for last first

    std::size_t most_; // at least one
    Entries entries_;
    std::unordered_map<Fingerprint, typename Entries::iterator, Hash> index_;
};

} // namespace fsrv::access
