// VersionStore: what was computed of files, by what identifies a version of a file, so that it is
// computed once in a worker. Bounded in number, the least recently used go first. Any thread.
#pragma once

#include "common/clock.h"

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

namespace fsrv::content {

struct FileVersion {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    FileTime mtime;
    FileTime ctime;
    friend bool operator==(const FileVersion&, const FileVersion&) = default;
};

struct FileVersionHash {
    std::size_t operator()(const FileVersion& version) const {
        constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15U;
        std::uint64_t sum = version.inode;
        for (const std::uint64_t part :
             {version.device, version.size, static_cast<std::uint64_t>(version.mtime.seconds),
              static_cast<std::uint64_t>(version.mtime.nanoseconds)})
            sum = (sum ^ part) * kSpread;
        return sum ^ (sum >> 32);
    }
};

template <typename Value>
class VersionStore final {
  public:
    explicit VersionStore(std::size_t most) : most_(most) {}
    VersionStore(const VersionStore&) = delete;
    VersionStore& operator=(const VersionStore&) = delete;

    std::optional<Value> find(const FileVersion& version) {
        const std::lock_guard lock(mutex_);
        const auto known = by_version_.find(version);
        if (known == by_version_.end()) return std::nullopt;
        kept_.splice(kept_.begin(), kept_, known->second);
        return known->second->value;
    }
    // Not of a file that may change again without its times changing.
    void keep(const FileVersion& version, Value value) {
        const std::lock_guard lock(mutex_);
        if (most_ == 0 || by_version_.contains(version)) return;
        if (kept_.size() == most_) {
            by_version_.erase(kept_.back().version);
            kept_.pop_back();
        }
        kept_.push_front({.version = version, .value = std::move(value)});
        by_version_[version] = kept_.begin();
    }
    std::size_t count() const {
        const std::lock_guard lock(mutex_);
        return kept_.size();
    }

  private:
    struct Kept {
        FileVersion version;
        Value value;
    };

    const std::size_t most_;
    mutable std::mutex mutex_;
    std::list<Kept> kept_; // the most recently used first
    std::unordered_map<FileVersion, typename std::list<Kept>::iterator, FileVersionHash>
        by_version_;
};

using CrcStore = VersionStore<std::uint32_t>;

} // namespace fsrv::content
