// The names in a folder, as readdir() gives them.
#pragma once

#include "common/unique_fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <memory>

namespace fsrv::content {

struct CloseFolder {
    void operator()(DIR* folder) const { ::closedir(folder); }
};
using FolderStream = std::unique_ptr<DIR, CloseFolder>;

// From the first name, with a descriptor of its own (dirfd()): `folder` stays the caller's, and may
// be one of O_PATH. Null: errno says why not. Blocks.
inline FolderStream folder_stream(int folder) {
    UniqueFd fd(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    FolderStream stream(fd ? ::fdopendir(fd.get()) : nullptr);
    if (stream) fd.release(); // closedir() closes it
    return stream;
}

} // namespace fsrv::content
