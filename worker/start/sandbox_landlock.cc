// Landlock by hand: the headers that fsrv is built with may be older than the kernel it runs on.
#include "common/log.h"
#include "common/unique_fd.h"
#include "worker/start/sandbox.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <fmt/format.h>
#include <iterator>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fsrv {
namespace {

struct Ruleset {
    std::uint64_t files;  // rights that are taken, unless a rule gives them back
    std::uint64_t tcp;    // ABI 4
    std::uint64_t scoped; // ABI 6
};

// What each ABI can take. All of it is taken.
struct Abi {
    std::uint64_t files;
    std::uint64_t tcp;
    std::uint64_t scoped;
    std::size_t size; // of the ruleset that it knows
};
constexpr std::uint64_t kFirstFileRights = (std::uint64_t{1} << 13) - 1;
constexpr std::uint64_t kRefer = std::uint64_t{1} << 13;
constexpr std::uint64_t kTruncate = std::uint64_t{1} << 14;
constexpr std::uint64_t kIoctlDevice = std::uint64_t{1} << 15;
constexpr std::uint64_t kBindAndConnect = 3;
constexpr std::uint64_t kAbstractSocketsAndSignals = 3;
constexpr Abi kAbis[] = {
    {kFirstFileRights, 0, 0, 8},
    {kFirstFileRights | kRefer, 0, 0, 8},
    {kFirstFileRights | kRefer | kTruncate, 0, 0, 8},
    {kFirstFileRights | kRefer | kTruncate, kBindAndConnect, 0, 16},
    {kFirstFileRights | kRefer | kTruncate | kIoctlDevice, kBindAndConnect, 0, 16},
    {kFirstFileRights | kRefer | kTruncate | kIoctlDevice, kBindAndConnect,
     kAbstractSocketsAndSignals, 24},
};

} // namespace

Result<int, std::string> confine_files(int root_fd, Symlinks symlinks) {
    const long newest = ::syscall(SYS_landlock_create_ruleset, nullptr, std::size_t{0},
                                  LANDLOCK_CREATE_RULESET_VERSION);
    if (newest < 1) {
        return unexpected(newest < 0 && errno == EPERM
                              ? std::string("it is not allowed to be used here")
                              : std::string("the kernel has none"));
    }
    const auto abi = std::min<std::size_t>(static_cast<std::size_t>(newest), std::size(kAbis));
    const Abi& can = kAbis[abi - 1];
    const Ruleset wanted{.files = can.files, .tcp = can.tcp, .scoped = can.scoped};
    const UniqueFd ruleset(
        static_cast<int>(::syscall(SYS_landlock_create_ruleset, &wanted, can.size, 0U)));
    if (!ruleset) return unexpected(fmt::format("no rules can be made ({})", errno_text(errno)));

    UniqueFd everything; // links lead wherever they lead
    if (symlinks == Symlinks::follow)
        everything.reset(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    const landlock_path_beneath_attr readable{.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE |
                                                                LANDLOCK_ACCESS_FS_READ_DIR,
                                              .parent_fd = everything ? everything.get() : root_fd};
    if (root_fd != kNoFiles && ::syscall(SYS_landlock_add_rule, ruleset.get(),
                                         LANDLOCK_RULE_PATH_BENEATH, &readable, 0U) != 0)
        return unexpected(fmt::format("the root cannot be allowed ({})", errno_text(errno)));
    if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0U) != 0)
        return unexpected(fmt::format("it cannot be put in force ({})", errno_text(errno)));
    return static_cast<int>(abi);
}

} // namespace fsrv
