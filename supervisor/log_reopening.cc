#include "supervisor/log_reopening.h"

#include "common/log.h"

#include <algorithm>
#include <fcntl.h>
#include <utility>

namespace fsrv {

void LogReopening::ask(std::uint64_t now) {
    if (!on_their_way_.empty()) {
        again_ = true; // they may have been opened before the file was moved away
        return;
    }
    for (const Generation* generation : crew_.generations()) {
        const AccessLogFile& log = generation->config.access_log;
        if (!log.is_file()) {
            log_info("SIGUSR1: the access log is no file, there is nothing to open anew");
            continue;
        }
        const auto is_that = [&](const OnItsWay& l) { return l.path == log.path(); };
        if (std::any_of(on_their_way_.begin(), on_their_way_.end(), is_that)) continue;
        if (stuck_.too_many()) {
            log_error("the access log is not opened anew: {} processes that looked before still "
                      "hang; the old one is kept",
                      stuck_.size());
            continue;
        }
        on_their_way_.push_back({log.path(), open_(log.path())});
    }
    see_what_is_open(now);
}

void LogReopening::see_what_is_open(std::uint64_t now) {
    if (on_their_way_.empty()) return;
    for (auto log = on_their_way_.begin(); log != on_their_way_.end();) {
        auto fd = log->fd.look(now);
        if (!fd) {
            ++log;
            continue;
        }
        stuck_.give_up(log->fd.errand());
        if (*fd)
            take(log->path, std::move(**fd));
        else
            log_error("{}; the old one is kept", fd->error());
        log = on_their_way_.erase(log);
    }
    if (on_their_way_.empty() && std::exchange(again_, false)) ask(now);
}

void LogReopening::take(const std::string& path, UniqueFd fd) {
    log_info("access log \"{}\" opened anew", path);
    for (Leaver& leaver : crew_.leavers().all())
        if (leaver.control && leaver.log_path == path)
            leaver.log.reset(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    for (Generation* generation : crew_.generations()) {
        if (generation->config.access_log.path() != path) continue;
        UniqueFd theirs(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
        if (!theirs) {
            log_error("access log \"{}\": {}; the old one is kept", path, errno_text(errno));
            continue;
        }
        generation->config.access_log.replace(std::move(theirs));
        for (Worker& worker : generation->workers) worker.wants_log = worker.slot.has_process();
    }
    crew_.send_what_is_due();
}

bool LogReopening::on_ended(pid_t pid) {
    for (const OnItsWay& log : on_their_way_) {
        if (log.fd.errand() == nullptr || log.fd.errand()->pid() != pid) continue;
        log.fd.errand()->on_reaped();
        return true;
    }
    return false;
}

std::uint64_t LogReopening::next_deadline() const {
    std::uint64_t earliest = kNever;
    for (const OnItsWay& log : on_their_way_)
        if (log.fd.errand() != nullptr) earliest = std::min(earliest, log.fd.errand()->due());
    return earliest;
}

void LogReopening::append_fds(std::vector<pollfd>& fds) const {
    for (const OnItsWay& log : on_their_way_)
        if (log.fd.errand() != nullptr)
            fds.push_back({.fd = log.fd.errand()->fd(), .events = POLLIN, .revents = 0});
}

void LogReopening::close_in_child() {
    for (const OnItsWay& log : on_their_way_)
        if (log.fd.errand() != nullptr) log.fd.errand()->forget();
}

} // namespace fsrv
