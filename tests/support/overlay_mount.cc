#include "tests/support/overlay_mount.h"

#include "tests/support/own_mounts.h"
#include "tests/support/process.h"

#include <sys/mount.h>

namespace fsrv::test {

OverlayMount::OverlayMount(std::filesystem::path where, const std::vector<std::string>& files)
    : where_(std::move(where)) {
    if (!am_root() || !leave_the_systems_mounts()) {
        obstacle_ = "needs root and a mount namespace of its own";
        return;
    }
    if (::mount("fsrv-test", layers_.str().c_str(), "tmpfs", 0, "mode=0755") != 0) {
        obstacle_ = "needs a memory file system";
        return;
    }
    for (const char* layer : {"lower", "upper", "work"})
        std::filesystem::create_directory(layers_ / layer);
    for (const std::string& name : files) {
        write_file(layers_ / "lower" / name, name);
        set_mtime(layers_ / "lower" / name);
    }
    const std::string options = "lowerdir=" + layers_.str() + "/lower,upperdir=" + layers_.str() +
                                "/upper,workdir=" + layers_.str() + "/work";
    if (::mount("fsrv-test", where_.c_str(), "overlay", 0, options.c_str()) != 0)
        obstacle_ = "needs overlayfs";
}

OverlayMount::~OverlayMount() {
    if (!obstacle_) ::umount2(where_.c_str(), MNT_DETACH);
    ::umount2(layers_.str().c_str(), MNT_DETACH);
}

} // namespace fsrv::test
