// A hit of the file cache, and the miss that it saves: what the pool does for a file asked for the
// first time.
#include "tests/bench/allocations.h"
#include "tests/support/files.h"
#include "worker/content/store.h"
#include "worker/exchange/file_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <vector>

namespace fsrv::net {
namespace {

using bench::AllocationColumn;

struct Shelf {
    explicit Shelf(unsigned files)
        : root(::open(folder.path().c_str(), O_PATH | O_DIRECTORY)),
          store({.root_fd = root.get(), .root_path = folder.str(), .index = ""}, {}),
          cache(store, {.files = files, .bytes = std::size_t{1} << 30}) {
        for (unsigned i = 0; i < files; ++i) {
            targets.push_back(fmt::format("/{}.bin", i));
            const auto path = folder / targets.back().substr(1);
            test::write_pattern(path, 1024);
            test::set_mtime(path);
        }
    }

    std::unique_ptr<exchange::CachedFile> find(const std::string& target) {
        auto found = store.find(*http::parse_target(target), {});
        return found ? exchange::make_cached_file(target, *found, true, {}, cache.arena())
                     : nullptr;
    }

    test::TempDir folder;
    UniqueFd root;
    content::LocalStore store;
    exchange::FileCache cache;
    std::vector<std::string> targets;
};

void cache_hit(benchmark::State& state) {
    Shelf shelf(static_cast<unsigned>(state.range(0)));
    for (const std::string& target : shelf.targets) shelf.cache.insert(shelf.find(target), 0);
    std::size_t i = 0;
    const AllocationColumn column(state);
    for (auto _ : state) {
        const exchange::CachedFile* file = shelf.cache.find(shelf.targets[i], 0);
        if (!file) state.SkipWithError("not kept");
        i = (i + 7919) % shelf.targets.size(); // a prime: all of them, in no order of theirs
    }
}
BENCHMARK(cache_hit)->Arg(1)->Arg(1000)->Arg(10'000);

void cache_hit_looked_up_again(benchmark::State& state) {
    Shelf shelf(1);
    shelf.cache.insert(shelf.find(shelf.targets.front()), 0);
    std::uint64_t now_ms = 0;
    const AllocationColumn column(state);
    for (auto _ : state) {
        now_ms += 1000;
        if (!shelf.cache.find(shelf.targets.front(), now_ms)) state.SkipWithError("not kept");
    }
}
BENCHMARK(cache_hit_looked_up_again);

void cache_miss(benchmark::State& state) {
    Shelf shelf(1);
    const AllocationColumn column(state);
    for (auto _ : state) benchmark::DoNotOptimize(shelf.find(shelf.targets.front()));
}
BENCHMARK(cache_miss);

} // namespace
} // namespace fsrv::net
