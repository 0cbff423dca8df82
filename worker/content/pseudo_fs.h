// Is it a file system that only looks like one (proc, sysfs, cgroup ...)? Nothing on such a one is
// served.
#pragma once

namespace fsrv::content {

// `fd`: any descriptor on it, O_PATH too. One fstatfs(). False when the kernel does not tell.
bool on_pseudo_fs(int fd);

} // namespace fsrv::content
