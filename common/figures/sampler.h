// Remembers readings of the scoreboard for as long as rates need them. sample() once a second,
// status() whenever somebody asks.
#pragma once

#include "common/figures/status.h"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

namespace fsrv {

inline constexpr std::uint64_t kSampleMs = 1'000;
inline constexpr std::size_t kHistory = 120; // samples

// What people are shown of a target that a client asked for (DownloadStatus::name).
using ShownName = std::string (*)(std::string_view target);

class Sampler final {
  public:
    explicit Sampler(ShownName shown_name) : shown_name_(shown_name) {}

    void sample(const ScoreReading& reading, std::uint64_t now_ms);
    Status status(const ScoreReading& reading, std::uint64_t now_ms) const;

  private:
    // A counter that was looked at before.
    struct Trend {
        std::uint64_t last = 0;
        double rate = 0;
        bool known = false; // a rate, not only a first look
        std::uint64_t seen_ms = 0;
        void note(std::uint64_t value, std::uint64_t now_ms);
    };
    struct ProcessTrend {
        Trend requests, bytes;
    };
    using TransferKey = std::tuple<pid_t, std::uint64_t, std::uint64_t>; // id, started_ms

    ShownName shown_name_;
    std::map<pid_t, ProcessTrend> processes_;
    std::map<TransferKey, Trend> transfers_;
    ProcessTrend totals_;
    std::deque<Rates> history_;
};

} // namespace fsrv
