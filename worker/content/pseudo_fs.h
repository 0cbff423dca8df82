// Is it a file system that only looks like one (proc, sysfs, cgroup ...)? Nothing on such a one is
// served.
#pragma once

#include <string_view>

namespace fsrv::content {

// `fd`: any descriptor on it, O_PATH too. One fstatfs(). False when the kernel does not tell.
bool on_pseudo_fs(int fd);

// The same by the name that mount(8) knows it by.
bool is_pseudo_fs(std::string_view name);

// Is it a file system of this machine's own (local_fs.def), where fstat() and close() of an open
// file ask nobody? And what does fstat() show then: changes of the content and of who may read it,
// or also, by ctime, that the file was removed or replaced?
enum class LocalFs {
    no, // servers of files, FUSE, and what is not known
    content,
    removal,
};
// `fd` as above.
LocalFs local_fs(int fd);

} // namespace fsrv::content
