#include "supervisor/ctl/top_boards.h"

#include <utility>

namespace fsrv {
namespace {

constexpr std::uint64_t kSilentMs = 10'000; // older than this: the process is gone

bool lives(const ScoreReading::Process& process, std::uint64_t now_ms) {
    return !process.row.admin && process.row.pid != 0 && process.tick_ms + kSilentMs > now_ms;
}

// False: nothing of it is left.
bool add_former(ScoreReading& reading, std::optional<ScoreReading> former, std::uint64_t now_ms) {
    bool any = false;
    if (!former) return any;
    for (ScoreReading::Process& process : former->processes) {
        if (!lives(process, now_ms)) continue;
        any = true;
        for (std::size_t i = 0; i < kMetricWords; ++i)
            reading.totals.words()[i] += process.figures.words()[i];
        reading.processes.push_back(std::move(process));
    }
    return any;
}

} // namespace

void TopBoards::show(ScoreView view) {
    const auto before = now_.read(), after = view.read();
    if (!after) return; // asked again soon
    const bool same = before && before->server.pid == after->server.pid &&
                      before->server.started_ms == after->server.started_ms;
    if (same) return;
    former_.push_back(std::exchange(now_, std::move(view)));
}

std::optional<ScoreReading> TopBoards::read(std::uint64_t now_ms) {
    auto reading = now_.read();
    if (reading)
        std::erase_if(former_, [&](const ScoreView& view) {
            return !add_former(*reading, view.read(), now_ms);
        });
    return reading;
}

} // namespace fsrv
