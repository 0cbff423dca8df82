// Time, two kinds never mixed: Mono for deadlines and durations (never steps), Wall for dates and
// file times.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>

namespace fsrv {

using Millis = std::chrono::milliseconds;

// Milliseconds of CLOCK_MONOTONIC; comparable between the processes of one machine.
inline std::uint64_t monotonic_ms() {
    timespec ts{};
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return static_cast<std::uint64_t>(ts.tv_sec) * 1000 +
           static_cast<std::uint64_t>(ts.tv_nsec) / 1000000;
}

// A file's time, to the nanosecond.
struct FileTime {
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0;
    friend auto operator<=>(const FileTime&, const FileTime&) = default;
};

inline FileTime wall_now() {
    timespec ts{};
    clock_gettime(CLOCK_REALTIME, &ts);
    return {ts.tv_sec, ts.tv_nsec};
}

} // namespace fsrv
