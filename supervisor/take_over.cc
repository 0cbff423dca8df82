#include "supervisor/take_over.h"

#include "common/log.h"

namespace fsrv {

TakeOver::Outcome TakeOver::tell_ready() {
    std::optional<Predecessor>& predecessor = setup_.predecessor;
    if (!predecessor) return Outcome::ours;
    const bool told = std::exchange(told_, true);
    if (!told && setup_.before_taking_over) {
        if (auto ok = setup_.before_taking_over(); !ok) {
            log_error("{}", ok.error());
            obstacle_ = ok.error();
            return Outcome::failed;
        }
    }
    const auto word =
        told || predecessor->tell_ready() ? predecessor->hear() : Predecessor::Word::gone;
    if (word == Predecessor::Word::none) return Outcome::waits;
    predecessor.reset();
    if (word == Predecessor::Word::gone) {
        log_error("the server to be replaced is gone");
        return Outcome::failed;
    }
    setup_.sockets.set_shared(false);
    petitions_.own();
    if (setup_.admin_listener != nullptr) setup_.admin_listener->own();
    return Outcome::ours;
}

void TakeOver::tell_failed(std::string_view why) {
    if (setup_.predecessor) setup_.predecessor->tell_failed(why);
}

void TakeOver::append_fds(std::vector<pollfd>& fds) const {
    if (setup_.predecessor)
        fds.push_back({.fd = setup_.predecessor->fd(), .events = POLLIN, .revents = 0});
}

} // namespace fsrv
