#include "worker/content/errno_status.h"

#include <cerrno>

namespace fsrv::content {

http::Miss miss_of(Errno error) {
    switch (error.code) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EXDEV:
    case ENXIO:
    case ENODEV:
    case ESTALE:
    case ENAMETOOLONG: return {.status = 404, .what = "no such file"};
    case EACCES:
    case EPERM: return {.status = 403, .what = "not readable"};
    case EMFILE:
    case ENFILE: return {.status = 503, .what = "out of file descriptors"};
    case ENOMEM: return {.status = 503, .what = "out of memory"};
    case ECANCELED: return {.status = 503, .what = "given up, as the client has gone"};
    case EAGAIN:
    case EINTR: return {.status = 503, .what = "the file is being replaced"};
    default: return {.status = 500, .what = "the file cannot be opened"};
    }
}

} // namespace fsrv::content
