#include "worker/privileges.h"

#include "common/log.h"

#include <cerrno>
#include <csignal>
#include <fmt/format.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace fsrv {
namespace {

tl::unexpected<std::string> failed(std::string_view call) {
    return unexpected(fmt::format("{}: {}", call, errno_text(errno)));
}

bool is_all(uid_t wanted, uid_t real, uid_t effective, uid_t saved) {
    return real == wanted && effective == wanted && saved == wanted;
}

Result<void, std::string> become(const Credentials& who) {
    uid_t ruid = 0, euid = 0, suid = 0;
    gid_t rgid = 0, egid = 0, sgid = 0;
    if (::geteuid() == 0) {
        const bool named = !who.user_name.empty();
        if ((named ? ::initgroups(who.user_name.c_str(), who.gid) : ::setgroups(0, nullptr)) != 0) {
            return failed("setting the groups");
        }
    }
    if (::setresgid(who.gid, who.gid, who.gid) != 0) return failed("setresgid");
    if (::setresuid(who.uid, who.uid, who.uid) != 0) return failed("setresuid");
    ::getresuid(&ruid, &euid, &suid);
    ::getresgid(&rgid, &egid, &sgid);
    if (!is_all(who.uid, ruid, euid, suid) || !is_all(who.gid, rgid, egid, sgid)) {
        return unexpected(std::string("the kernel did not change all of the ids"));
    }
    if (who.uid != 0 && (::setuid(0) == 0 || ::seteuid(0) == 0)) {
        return unexpected(std::string("the change of user can be undone"));
    }
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    ::setrlimit(RLIMIT_CORE, &none);
    if (::prctl(PR_SET_DUMPABLE, 0) != 0) return failed("PR_SET_DUMPABLE");
    return {};
}

} // namespace

Result<void, std::string> drop_privileges(const std::optional<Credentials>& credentials) {
    if (credentials) {
        if (auto result = become(*credentials); !result) return result;
    }
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("PR_SET_NO_NEW_PRIVS");
    return {};
}

bool follow_into_death(pid_t supervisor_pid) {
    return ::prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && ::getppid() == supervisor_pid;
}

} // namespace fsrv
