// A path resolved by hand, one component and one O_NOFOLLOW at a time, for what openat2() cannot
// do: absolute links that lead back into the root, and kernels without it. It never follows a link
// of the kernel's, so it cannot leave the root however the tree changes meanwhile: links are read
// as text, and every step starts at a descriptor that was reached from the root.
#pragma once

#include "common/options.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "worker/content/reach.h"

#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>

namespace fsrv::content {

struct WalkPolicy {
    int root_fd = -1;           // O_PATH will do; not owned
    std::string_view root_path; // its absolute name, for absolute links only
    Symlinks symlinks = Symlinks::inside;
    Reach* reach = nullptr; // none: anywhere
    bool hidden = true;     // false: ENOENT for what lies, links resolved, below a hidden name
};

struct WalkEnd {
    UniqueFd object;       // O_PATH; never a link
    struct stat status {}; // with a reach that is not anywhere: what is in memory
    // Unless the object is a folder: openat(parent, name, O_NOFOLLOW) opens it.
    UniqueFd parent;
    std::string name;
    std::string path; // the same without links, from the root; "" is the root, and, with
                      // Symlinks::follow, what lies elsewhere
};

// `path`: relative, as Target::path. Two descriptors at most are open at a time. Errors are those
// of the kernel: ELOOP for more than limits::kMaxSymlinks links or any link with Symlinks::never,
// EXDEV for one that leads out of the root; EAGAIN when the tree changed under the walk;
// kOtherDevice when more than the reach allows would have to be asked. Hidden are names as
// http::is_hidden() has them, and those that are short names of others (short_names.h), of the path
// and of all links on its way; what lies outside of the root is not judged.
Result<WalkEnd, Errno> walk_path(const WalkPolicy& policy, std::string_view path);

// fstat() of what is in memory: nobody is asked, so sizes and times of a server's files may be old.
// Where statx() is denied, an ordinary fstat().
bool stat_in_memory(int fd, struct stat& status);
bool stat_in_memory(int folder, const char* name, struct stat& status); // of a link itself

// What of `absolute` lies below `root`, compared component by component ("/srv/data" has nothing of
// "/srv/database"); "" when it is the root itself, none when it lies elsewhere. Leading and
// repeated slashes and "." do not count.
std::optional<std::string_view> below_root(std::string_view absolute, std::string_view root);

} // namespace fsrv::content
