// errno to HTTP status: the only place where one becomes the other.
#pragma once

#include "common/result.h"
#include "worker/http/resource.h"

namespace fsrv::content {

// What a failed look-up or open is to the client:
//   404  ENOENT ENOTDIR ELOOP EXDEV ENXIO ENAMETOOLONG ENODEV ESTALE: not there, or not for you
//   403  EACCES EPERM: there, but not readable
//   503  EMFILE ENFILE ENOMEM: out of something; EAGAIN EINTR: the tree did not keep still long
//   enough 500  anything else (EIO ...)
http::Miss miss_of(Errno error);

} // namespace fsrv::content
