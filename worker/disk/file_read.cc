#include "worker/disk/file_read.h"

#include "common/quick_calls.h"
#include "worker/disk/whole_read.h"

#include <algorithm>
#include <cerrno>
#include <sys/stat.h>

namespace fsrv::disk {

bool is_unchanged(const http::OpenFile& file) {
    struct stat now {};
    if (quick_fstat(file.fd.get(), now) != 0) return false;
    const auto size = static_cast<std::uint64_t>(now.st_size);
    switch (file.writes) {
    case InPlaceWrites::on: break;
    case InPlaceWrites::off: return size == file.size;    // some FUSE dates a file at each look
    case InPlaceWrites::append: return size >= file.size; // a write dates it before it grows
    }
    return size == file.size && FileTime{now.st_mtim.tv_sec, now.st_mtim.tv_nsec} == file.mtime;
}

FileRead::~FileRead() {
    chunks.give_back(chunk);
    if (closer) closer->let_go(std::move(order.file));
}

void FileRead::run() {
    if (!chunk) chunk = chunks.take();
    if (!chunk) {
        result = -ENOMEM;
        return;
    }
    wanted = std::min(order.length, chunk->capacity);
    const int fd = order.file->fd.get();
    result =
        order.may_be_cached ? read_in_memory(fd, chunk->data(), wanted, order.offset) : -EAGAIN;
    was_cached = result >= 0; // all of it, then
    if (!was_cached) result = read_whole(fd, chunk->data(), wanted, order.offset);
    unchanged = is_unchanged(*order.file);
}

} // namespace fsrv::disk
