#include "worker/start/privileges.h"

#include "common/log.h"

#include <cerrno>
#include <csignal>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fsrv {
namespace {

tl::unexpected<std::string> failed(std::string_view call) {
    return unexpected(fmt::format("{}: {}", call, errno_text(errno)));
}

bool is_all(uid_t wanted, uid_t real, uid_t effective, uid_t saved) {
    return real == wanted && effective == wanted && saved == wanted;
}

Result<void, std::string> become(const Credentials& who, bool lends_rights) {
    uid_t ruid = 0, euid = 0, suid = 0;
    gid_t rgid = 0, egid = 0, sgid = 0;
    if (::geteuid() == 0) {
        const bool named = !who.user_name.empty();
        if ((named ? ::initgroups(who.user_name.c_str(), who.gid) : ::setgroups(0, nullptr)) != 0) {
            return failed("setting the groups");
        }
    }
    if (::setresgid(who.gid, who.gid, who.gid) != 0) return failed("setresgid");
    if (lends_rights && ::prctl(PR_SET_KEEPCAPS, 1) != 0) return failed("PR_SET_KEEPCAPS");
    if (::setresuid(who.uid, who.uid, who.uid) != 0) return failed("setresuid");
    if (lends_rights && ::prctl(PR_SET_KEEPCAPS, 0) != 0) return failed("PR_SET_KEEPCAPS");
    ::getresuid(&ruid, &euid, &suid);
    ::getresgid(&rgid, &egid, &sgid);
    if (!is_all(who.uid, ruid, euid, suid) || !is_all(who.gid, rgid, egid, sgid)) {
        return unexpected(std::string("the kernel did not change all of the ids"));
    }
    if (!lends_rights && who.uid != 0 && (::setuid(0) == 0 || ::seteuid(0) == 0)) {
        return unexpected(std::string("the change of user can be undone"));
    }
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    ::setrlimit(RLIMIT_CORE, &none);
    if (::prctl(PR_SET_DUMPABLE, 0) != 0) return failed("PR_SET_DUMPABLE");
    return {};
}

Result<bool, std::string> more_capabilities_than(std::uint32_t low) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3] = {};
    if (::syscall(SYS_capget, &header, held) != 0) return failed("capget");
    const std::uint32_t all = held[0].effective | held[0].permitted;
    return (all & ~low) != 0 || held[1].effective != 0 || held[1].permitted != 0;
}

// A worker needs none: the sockets are bound. A unit may have lent some (AmbientCapabilities), or
// forbidden capset() where it lends none. Root keeps one, else it could not read what root is
// expected to read: past the permissions of files and folders. It can change nothing, and be nobody
// else.
Result<void, std::string> drop_capabilities(bool lends_rights) {
    const std::uint32_t lending = lends_rights ? 1U << CAP_SETUID | 1U << CAP_SETGID : 0;
    const std::uint32_t kept = lending | (::geteuid() == 0 ? 1U << CAP_DAC_READ_SEARCH : 0);
    const auto before = more_capabilities_than(kept);
    if (!before) return unexpected(before.error());
    if (!*before && !lends_rights) return {};
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3] = {};
    if (::syscall(SYS_capget, &header, held) != 0) return failed("capget");
    const std::uint32_t low = held[0].permitted & kept;
    if ((low & lending) != lending)
        return unexpected(std::string(
            "permissions = \"user\" needs CAP_SETUID and CAP_SETGID, which are not there"));
    const __user_cap_data_struct wanted[_LINUX_CAPABILITY_U32S_3] = {
        {.effective = low, .permitted = low, .inheritable = 0}, {}};
    if (::syscall(SYS_capset, &header, wanted) != 0) return failed("capset");
    const auto after = more_capabilities_than(kept);
    if (!after) return unexpected(after.error());
    if (*after) return unexpected(std::string("the kernel kept capabilities"));
    return {};
}

} // namespace

Result<void, std::string> drop_privileges(const std::optional<Credentials>& credentials,
                                          bool lends_rights) {
    if (credentials) {
        if (auto result = become(*credentials, lends_rights); !result) return result;
    }
    if (auto result = drop_capabilities(lends_rights); !result) return result;
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("PR_SET_NO_NEW_PRIVS");
    return {};
}

bool follow_into_death(pid_t supervisor_pid) {
    return ::prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && ::getppid() == supervisor_pid;
}

} // namespace fsrv
