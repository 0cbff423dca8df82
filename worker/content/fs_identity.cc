#include "worker/content/fs_identity.h"

#include "common/check.h"

#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fsrv::content {
namespace {

Account& own() {
    static Account account;
    return account;
}

// What setfsuid() and setfsgid() return is what was before, whether it worked or not.
bool become(const Account& account) {
    if (::syscall(SYS_setgroups, account.groups.size(), account.groups.data()) != 0) return false;
    ::setfsgid(account.gid);
    ::setfsuid(account.uid);
    return static_cast<gid_t>(::setfsgid(account.gid)) == account.gid &&
           static_cast<uid_t>(::setfsuid(account.uid)) == account.uid;
}

} // namespace

void FsIdentity::remember_own() {
    own().uid = ::geteuid();
    own().gid = ::getegid();
    const int count = ::getgroups(0, nullptr);
    own().groups.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    if (count > 0 && ::getgroups(count, own().groups.data()) != count) own().groups.clear();
}

FsIdentity::FsIdentity(const Account* account) {
    if (account == nullptr) return;
    is_assumed_ = become(*account);
    is_changed_ = true;
}

FsIdentity::~FsIdentity() {
    if (is_changed_) FSRV_CHECK(become(own()), "a thread cannot be itself again");
}

} // namespace fsrv::content
