#include "tests/support/own_mounts.h"

#include <sched.h>
#include <sys/mount.h>

namespace fsrv::test {

bool leave_the_systems_mounts() {
    static const bool left = ::unshare(CLONE_NEWNS) == 0 &&
                             ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    return left;
}

} // namespace fsrv::test
