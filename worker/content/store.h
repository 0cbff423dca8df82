// Store: what can be served out of one folder. Blocking calls only, no sockets: called in a thread of the pool (or on the loop
// with --io inline), by several threads at once; holds no state that changes.
#pragma once

#include "common/options.h"
#include "worker/content/mime.h"
#include "worker/http/resource.h"
#include "worker/http/target.h"

#include <atomic>
#include <memory>
#include <string>

namespace fsrv::content {

struct StoreConfig {
    int root_fd = -1;      // O_PATH of the folder; not owned
    std::string root_path; // absolute, links resolved: maps absolute ?path= and absolute links; confinement is the kernel's
    bool listing = true;
    std::string index; // empty: none
    bool hidden = false;
    Symlinks symlinks = Symlinks::inside;
};

class LocalStore final {
  public:
    LocalStore(StoreConfig config, MimeTypes mime);

    // Tree or api target to Resource: resolve (openat2), open (O_NONBLOCK|O_NOCTTY), fstat, type; folders to index, listing,
    // redirect or 403. `accept`: the request's Accept value, for the listing's form.
    // errno becomes a status in one function of this layer: ENOENT ENOTDIR ELOOP EXDEV ENXIO ENAMETOOLONG 404, EACCES EPERM
    // 403, EMFILE ENFILE ENOMEM 503, EAGAIN retried then 503, else 500.
    http::FindResult find(const http::Target& target, std::string_view accept) const;

  private:
    StoreConfig config_;
    MimeTypes mime_;
};

} // namespace fsrv::content
