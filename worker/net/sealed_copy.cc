#include "worker/net/sealed_copy.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fsrv::net {

std::shared_ptr<const http::OpenFile> make_sealed_copy(std::string_view bytes) {
    auto copy = std::make_shared<http::OpenFile>();
    copy->fd = UniqueFd(::memfd_create("fsrv", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!copy->fd) return nullptr;
    const ssize_t n = ::pwrite(copy->fd.get(), bytes.data(), bytes.size(), 0);
    if (n != static_cast<ssize_t>(bytes.size())) return nullptr;
    constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    struct stat found {};
    if (::fcntl(copy->fd.get(), F_ADD_SEALS, kSeals) != 0) return nullptr;
    if (::fstat(copy->fd.get(), &found) != 0) return nullptr;
    copy->size = bytes.size();
    copy->mtime = {found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
    copy->device = found.st_dev;
    copy->sealed = true;
    return copy;
}

} // namespace fsrv::net
