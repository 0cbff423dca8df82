#include "worker/content/pseudo_fs.h"

#include <cstdint>
#include <linux/magic.h>
#include <sys/vfs.h>

namespace fsrv::content {

bool on_pseudo_fs(int fd) {
    struct statfs fs {};
    if (::fstatfs(fd, &fs) != 0) return false;
    // f_type is signed on some architectures; the magic numbers are 32 bits everywhere.
    switch (static_cast<std::uint32_t>(fs.f_type)) {
#define FSRV_PSEUDO_FS(magic, name) case magic:
#include "worker/content/pseudo_fs.def"
#undef FSRV_PSEUDO_FS
        return true;
    default: return false;
    }
}

} // namespace fsrv::content
