#include "worker/content/pseudo_fs.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
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

bool is_pseudo_fs(std::string_view name) {
    static constexpr std::string_view kNames[] = {
#define FSRV_PSEUDO_FS(magic, name) name,
#include "worker/content/pseudo_fs.def"
#undef FSRV_PSEUDO_FS
    };
    return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

LocalFs local_fs(int fd) {
    struct statfs fs {};
    if (::fstatfs(fd, &fs) != 0) return LocalFs::no;
    switch (static_cast<std::uint32_t>(fs.f_type)) {
#define FSRV_LOCAL_FS(magic, name, shows)                                                          \
    case magic:                                                                                    \
        return LocalFs::shows;
#include "worker/content/local_fs.def"
#undef FSRV_LOCAL_FS
    default: return LocalFs::no;
    }
}

} // namespace fsrv::content
