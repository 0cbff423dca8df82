#include "worker/disk/file_window.h"

#include <sys/mman.h>
#include <unistd.h>

namespace fsrv::disk {

FileWindow::FileWindow(int fd, std::uint64_t offset, std::size_t length) {
    static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const std::uint64_t before = offset % page;
    size_ = length + before;
    void* const pages =
        ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(offset - before));
    if (pages == MAP_FAILED) return;
    pages_ = pages;
    data_ = static_cast<const char*>(pages) + before;
}

FileWindow::~FileWindow() {
    if (pages_) ::munmap(pages_, size_);
}

} // namespace fsrv::disk
