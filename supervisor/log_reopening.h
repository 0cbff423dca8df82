// The access logs opened anew, after a rotation has moved them away: each by an errand, since its
// name may hang, and then sent to all who write to it.
#pragma once

#include "supervisor/crew.h"
#include "supervisor/errand.h"
#include "supervisor/stuck_errands.h"

#include <cstdint>
#include <functional>
#include <poll.h>
#include <string>
#include <vector>

namespace fsrv {

class LogReopening final {
  public:
    using Open = std::function<Pending<UniqueFd>(const std::string& path)>;

    LogReopening(Crew& crew, StuckErrands& stuck, Open open)
        : crew_(crew), stuck_(stuck), open_(std::move(open)) {}

    // Asked for while it goes on: once more afterwards.
    void ask(std::uint64_t now);
    // In every turn: takes those that are open, and has them sent.
    void see_what_is_open(std::uint64_t now);

    bool on_ended(pid_t pid); // true: it was one of its errands
    std::uint64_t next_deadline() const;
    void append_fds(std::vector<pollfd>& fds) const;
    void close_in_child();

  private:
    struct OnItsWay {
        std::string path;
        Pending<UniqueFd> fd;
    };
    void take(const std::string& path, UniqueFd fd);

    Crew& crew_;
    StuckErrands& stuck_;
    Open open_;
    std::vector<OnItsWay> on_their_way_;
    bool again_ = false; // asked for meanwhile
};

} // namespace fsrv
