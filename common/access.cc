#include "common/access.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fsrv {

bool may_access(int folder, const char* path, int mode) {
    if (::faccessat(folder, path, mode, AT_EACCESS) == 0) return true;
    // EPERM also when a file is immutable and is to be written; the old call then says so too. Not
    // by the C library, which asks the new one first.
    const bool lacking = errno == EPERM || errno == ENOSYS;
    return lacking && ::syscall(SYS_faccessat, folder, path, mode) == 0;
}

} // namespace fsrv
