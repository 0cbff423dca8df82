// An overlay file system (overlayfs), as a container has it for its root: files of a lower layer,
// which the upper one hides where they were changed. In the mount namespace of own_mounts.h.
#pragma once

#include "tests/support/files.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace fsrv::test {

class OverlayMount final {
  public:
    // On `where`, a folder. Each of `files` is there, in the lower layer, and old: its content is
    // its name.
    OverlayMount(std::filesystem::path where, const std::vector<std::string>& files);
    ~OverlayMount();
    OverlayMount(const OverlayMount&) = delete;
    OverlayMount& operator=(const OverlayMount&) = delete;

    // Why nothing is mounted; nothing when it is.
    const std::optional<std::string>& obstacle() const { return obstacle_; }

  private:
    TempDir layers_; // a memory file system: the layers of an overlay may be no overlay
    std::filesystem::path where_;
    std::optional<std::string> obstacle_;
};

} // namespace fsrv::test
