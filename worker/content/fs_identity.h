// Whose rights the kernel looks at when this thread opens, reads a folder, or resolves a path: for
// permissions = "user". While an FsIdentity lives they are those of an account; then again the
// worker's own. Costs six system calls; without an account, none.
//
// Thread: of one thread, and of it alone: the C library's setgroups() would change all of them, so
// the kernel is asked itself. The worker has CAP_SETUID and CAP_SETGID for it (start/privileges.h).
#pragma once

#include "common/access_material.h"

namespace fsrv::content {

class FsIdentity final {
  public:
    // Once, before there is a second thread, and before the sandbox.
    static void remember_own();

    // `account`: null: nothing changes. Outlives it. None is within another.
    explicit FsIdentity(const Account* account);
    ~FsIdentity();
    FsIdentity(const FsIdentity&) = delete;
    FsIdentity& operator=(const FsIdentity&) = delete;

    // False: the kernel did not lend the account's rights. The worker's own are in force, which
    // must not be used instead.
    bool is_assumed() const { return is_assumed_; }

  private:
    bool is_changed_ = false;
    bool is_assumed_ = true;
};

} // namespace fsrv::content
