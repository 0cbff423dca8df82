// What `fsrv --ctl` asks for.
#include "supervisor/supervisor.h"

#include "supervisor/ctl/status_text.h"

namespace fsrv {

void Supervisor::take_requests(std::uint64_t now) {
    for (const Petitions::Petition& petition : petitions_.take()) obey(petition, now);
}

void Supervisor::obey(const Petitions::Petition& petition, std::uint64_t now) {
    switch (petition.command.kind) {
    case CtlKind::status: return petitions_.answer(petition, true, status(now));
    case CtlKind::top: return show_figures(petition);
    case CtlKind::reload:
        petitions_.wait_for_next(petition);
        return reload_.ask(upgrade_.is_under_way(), now);
    case CtlKind::upgrade:
        petitions_.wait_for_next(petition);
        return upgrade_.ask(reload_.is_under_way(), now);
    case CtlKind::stop: petitions_.wait(petition); return ask_to_stop(Stop::hurried, now);
    case CtlKind::workers:
        if (phase_.stop != Stop::no) return petitions_.answer(petition, false, "the server stops");
        if (const std::string why = count_.want(petition.command.number); !why.empty())
            return petitions_.answer(petition, false, why);
        return petitions_.wait(petition);
    }
}

std::string Supervisor::status(std::uint64_t now) {
    publish_processes();
    const auto reading = scoreboard_.read();
    if (!reading) return {};
    return status_text(*reading, now,
                       phase_.stop != Stop::no   ? "stopping"
                       : reload_.is_under_way()  ? "reloading"
                       : upgrade_.is_under_way() ? "upgrading"
                                                 : "");
}

// Who asks reads them for himself, for as long as he likes.
void Supervisor::show_figures(const Petitions::Petition& petition) {
    if (scoreboard_.fd() < 0)
        return petitions_.answer(petition, false,
                                 "the figures cannot be shared: it takes Linux 5.1");
    publish_processes();
    petitions_.answer(petition, true, FSRV_VERSION, scoreboard_.fd());
}

} // namespace fsrv
