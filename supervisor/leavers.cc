#include "supervisor/leavers.h"

#include "supervisor/process_ops.h"

#include <algorithm>

namespace fsrv {

std::optional<Leaver> Leavers::take(pid_t pid) {
    const auto found =
        std::find_if(all_.begin(), all_.end(), [&](const Leaver& l) { return l.pid == pid; });
    if (found == all_.end()) return std::nullopt;
    Leaver leaver = std::move(*found);
    all_.erase(found);
    return leaver;
}

std::vector<pid_t> Leavers::overdue(std::uint64_t now) {
    std::vector<pid_t> pids;
    for (Leaver& leaver : all_) {
        if (now < leaver.must_end_at) continue;
        leaver.must_end_at = kNever;
        pids.push_back(leaver.pid);
    }
    return pids;
}

void Leavers::limit(std::uint64_t until) {
    for (Leaver& leaver : all_) leaver.must_end_at = std::min(leaver.must_end_at, until);
}

std::uint64_t Leavers::next_deadline() const {
    std::uint64_t earliest = kNever;
    for (const Leaver& leaver : all_) earliest = std::min(earliest, leaver.must_end_at);
    return earliest;
}

} // namespace fsrv
