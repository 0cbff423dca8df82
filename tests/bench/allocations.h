// How many allocations a piece of code makes. Linking allocations.cc replaces operator new for the
// whole program; what C libraries get from malloc themselves is not counted.
#pragma once

#include <benchmark/benchmark.h>
#include <cstdint>

namespace fsrv::bench {

std::uint64_t allocations_so_far();

// Shows allocations per iteration as a column of its own. In a benchmark, before its loop.
class AllocationColumn final {
  public:
    explicit AllocationColumn(benchmark::State& state)
        : state_(state), before_(allocations_so_far()) {}
    AllocationColumn(const AllocationColumn&) = delete;
    AllocationColumn& operator=(const AllocationColumn&) = delete;
    ~AllocationColumn() {
        const auto made = static_cast<double>(allocations_so_far() - before_);
        state_.counters["allocations"] =
            benchmark::Counter(made, benchmark::Counter::kAvgIterations);
    }

  private:
    benchmark::State& state_;
    std::uint64_t before_;
};

} // namespace fsrv::bench
