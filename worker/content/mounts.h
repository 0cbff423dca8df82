// Mounts: which device a path is likely to be on, told without touching the path, since the device
// may not answer. A guess: links are not followed (reach.h says what is done about those).
#pragma once

#include "common/unique_fd.h"

#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace fsrv::content {

struct Mount {
    std::string point; // absolute, without a slash at the end; "" is the root of all
    dev_t device = 0;
    bool pseudo = false; // of a file system that is not served (pseudo_fs.def)
};

// The mounts at or below `root`, and the one that holds it, out of the text of a mountinfo file
// (proc(5)). A later mount on the same point hides the earlier one. Bad lines are skipped.
std::vector<Mount> parse_mountinfo(std::string_view text, std::string_view root);

// The device of the deepest of them that holds `path` (absolute); 0: none does.
dev_t device_of(const std::vector<Mount>& mounts, std::string_view path);

class Mounts final {
  public:
    // `root`: absolute, links resolved; `root_device`: its st_dev, which the table does not always
    // have; 0: as in the table. Without /proc every path is on that device.
    explicit Mounts(std::string root, dev_t root_device = 0);

    // Says POLLPRI when the mounts have changed; -1: it never will.
    int fd() const { return file_.get(); }
    void refresh();

    // `path`: below the root, or taken from "/" when `absolute`; without leading slash.
    dev_t device_of(std::string_view path, bool absolute) const;
    // As it is now; it stays as it is.
    std::shared_ptr<const std::vector<Mount>> table() const { return mounts_; }

  private:
    std::string root_;
    UniqueFd file_;
    dev_t root_device_;
    std::shared_ptr<const std::vector<Mount>> mounts_;
};

} // namespace fsrv::content
