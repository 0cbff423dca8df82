#include "supervisor/start/memory_budgets.h"

#include "common/limits.h"

#include <algorithm>

namespace fsrv {
namespace {

constexpr std::uint64_t kLeastListings = 4 * 1024 * 1024; // one folder of some 20,000 names
constexpr std::uint64_t kLeastBigChunks = 4;

} // namespace

Budgets memory_budgets(const Options& options, std::optional<std::uint64_t> limit) {
    Budgets budgets{.cache_bytes = options.cache_memory};
    if (!limit) return budgets;
    const std::uint64_t share = *limit / 2 / std::max(options.workers.most, 1U);
    const std::uint64_t chunks = budgets.big_chunks * std::uint64_t{limits::kChunkBytes};
    if (budgets.cache_bytes + budgets.listing_bytes + chunks <= share) return budgets;
    budgets.cache_bytes = std::min(budgets.cache_bytes, share / 4);
    budgets.listing_bytes = std::min(budgets.listing_bytes, std::max(share / 2, kLeastListings));
    budgets.big_chunks = static_cast<unsigned>(std::clamp<std::uint64_t>(
        share / 4 / limits::kChunkBytes, kLeastBigChunks, budgets.big_chunks));
    return budgets;
}

} // namespace fsrv
