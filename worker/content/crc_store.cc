#include "worker/content/crc_store.h"

namespace fsrv::content {

std::optional<std::uint32_t> CrcStore::find(const FileVersion& version) {
    const std::lock_guard lock(mutex_);
    const auto known = by_version_.find(version);
    if (known == by_version_.end()) return std::nullopt;
    kept_.splice(kept_.begin(), kept_, known->second);
    return known->second->crc;
}

void CrcStore::keep(const FileVersion& version, std::uint32_t crc) {
    const std::lock_guard lock(mutex_);
    if (most_ == 0 || by_version_.contains(version)) return;
    if (kept_.size() == most_) {
        by_version_.erase(kept_.back().version);
        kept_.pop_back();
    }
    kept_.push_front({.version = version, .crc = crc});
    by_version_[version] = kept_.begin();
}

std::size_t CrcStore::count() const {
    const std::lock_guard lock(mutex_);
    return kept_.size();
}

std::size_t CrcStore::Hash::operator()(const FileVersion& version) const {
    constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15U;
    std::uint64_t sum = version.inode;
    for (const std::uint64_t part :
         {version.device, version.size, static_cast<std::uint64_t>(version.mtime.seconds),
          static_cast<std::uint64_t>(version.mtime.nanoseconds)})
        sum = (sum ^ part) * kSpread;
    return sum ^ (sum >> 32);
}

} // namespace fsrv::content
