// What was found, as a body has it.
#pragma once

#include "common/options.h"
#include "worker/content/resolver.h"
#include "worker/http/body.h"

#include <cstdint>
#include <memory>

namespace fsrv::content {

// Of a file that the resolver has opened. `charged`: the device that its reads are.
inline std::shared_ptr<http::OpenFile> open_file_of(Entry entry, std::uint64_t charged,
                                                    InPlaceWrites writes) {
    auto file = std::make_shared<http::OpenFile>();
    file->fd = std::move(entry.fd);
    file->size = static_cast<std::uint64_t>(entry.status.st_size);
    file->mtime = {entry.status.st_mtim.tv_sec, entry.status.st_mtim.tv_nsec};
    file->ctime = {entry.status.st_ctim.tv_sec, entry.status.st_ctim.tv_nsec};
    file->device = entry.status.st_dev;
    file->inode = entry.status.st_ino;
    file->charged = charged;
    file->local = entry.local != LocalFs::no;
    file->shows_removal = entry.local == LocalFs::removal;
    file->writes = writes;
    return file;
}

} // namespace fsrv::content
