// What `fsrv --ctl status` prints: for a person, in columns.
#pragma once

#include "common/scoreboard.h"

#include <cstdint>
#include <string>

namespace fsrv {

// `doing`: "reloading", "stopping"; empty: it serves.
std::string status_text(const ScoreReading& reading, std::uint64_t now_ms, std::string_view doing);

std::string time_text(std::uint64_t ms);     // 850 ms, 12 s, 3 min 20 s, 5 h 7 min, 12 d 3 h
std::string bytes_text(std::uint64_t bytes); // 17 B, 1.5 KiB, 20 GiB

} // namespace fsrv
