#include "supervisor/terminal.h"

#include "common/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

namespace fsrv {

Terminal::Terminal(bool ignores_hangup)
    : ignores_hangup_(ignores_hangup), has_one_(!is_gone()), leader_(getsid(0)) {}

// ENXIO: there is none, or none any more. EIO: it has hung up just now.
bool Terminal::is_gone() {
    return !UniqueFd(open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
}

Terminal::Meaning Terminal::meaning_of(const Hangup& hangup, bool terminal_is_gone) const {
    const bool by_shell = has_one_ && hangup.sender == leader_ && terminal_is_gone;
    if (!hangup.from_kernel && !by_shell) return Meaning::reload;
    return ignores_hangup_ ? Meaning::nothing : Meaning::end;
}

} // namespace fsrv
