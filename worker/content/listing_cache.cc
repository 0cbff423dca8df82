#include "worker/content/listing_cache.h"

#include "common/limits.h"

#include <algorithm>

namespace fsrv::content {

std::optional<http::Body> ListingCache::find(const Key& key, std::uint64_t now_ms) {
    Queue gone;
    const std::lock_guard lock(mutex_);
    drop_old(now_ms, gone);
    const auto found = std::find_if(kept_.begin(), kept_.end(),
                                    [&key](const Kept& kept) { return kept.key == key; });
    if (found == kept_.end()) return std::nullopt;
    return found->body;
}

void ListingCache::keep(Key key, const http::Body& body, std::uint64_t now_ms) {
    const auto bytes = static_cast<std::size_t>(body.size());
    if (bytes > max_bytes_) return;
    Queue gone;
    const std::lock_guard lock(mutex_);
    drop_old(now_ms, gone);
    // Two who asked at the same time made it twice.
    if (std::any_of(kept_.begin(), kept_.end(), [&key](const Kept& k) { return k.key == key; }))
        return;
    while (bytes_ + bytes > max_bytes_) drop_front(gone);
    kept_.push_back({.key = std::move(key),
                     .body = body,
                     .bytes = bytes,
                     .until_ms = now_ms + limits::kKeptListingMs});
    bytes_ += bytes;
}

void ListingCache::drop_old(std::uint64_t now_ms) {
    Queue gone;
    const std::lock_guard lock(mutex_);
    drop_old(now_ms, gone);
}

void ListingCache::clear() {
    Queue gone;
    const std::lock_guard lock(mutex_);
    while (!kept_.empty()) drop_front(gone);
}

void ListingCache::drop_front(Queue& gone) {
    bytes_ -= kept_.front().bytes;
    gone.push_back(std::move(kept_.front()));
    kept_.pop_front();
}

void ListingCache::drop_old(std::uint64_t now_ms, Queue& gone) {
    while (!kept_.empty() && kept_.front().until_ms <= now_ms) drop_front(gone);
}

} // namespace fsrv::content
