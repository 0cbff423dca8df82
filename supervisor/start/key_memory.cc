#include "supervisor/start/key_memory.h"

#include "common/log.h"

#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

namespace fsrv {

void keep_memory_private() {
    if (prctl(PR_SET_DUMPABLE, 0) != 0)
        log_warn("a core may hold keys: PR_SET_DUMPABLE: {}", errno_text(errno));
}

Parcel::Parcel() : fd_(memfd_create("fsrv parcel", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
    if (!fd_) error_ = Errno::last();
}

void Parcel::put(std::string_view bytes) {
    put_number(bytes.size());
    while (error_.code == 0 && !bytes.empty()) {
        const ssize_t size = write(fd_.get(), bytes.data(), bytes.size());
        if (size < 0) error_ = Errno::last();
        bytes.remove_prefix(static_cast<std::size_t>(size < 0 ? 0 : size));
    }
}

void Parcel::put_number(std::uint64_t number) {
    if (error_.code != 0) return;
    const ssize_t size = write(fd_.get(), &number, sizeof number);
    if (size != ssize_t{sizeof number}) error_ = size < 0 ? Errno::last() : Errno{ENOSPC};
}

Result<UniqueFd, Errno> Parcel::close() {
    constexpr int kSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (error_.code == 0 && fcntl(fd_.get(), F_ADD_SEALS, kSeals) != 0) error_ = Errno::last();
    if (error_.code != 0) return unexpected(error_);
    return std::move(fd_);
}

OpenedParcel::OpenedParcel(const UniqueFd& fd) {
    struct stat found {};
    if (fstat(fd.get(), &found) != 0) return;
    std::string bytes(static_cast<std::size_t>(found.st_size), '\0');
    const ssize_t size = pread(fd.get(), bytes.data(), bytes.size(), 0);
    bytes_ = Secret(std::move(bytes));
    rest_ = bytes_.view().substr(0, static_cast<std::size_t>(size < 0 ? 0 : size));
}

std::optional<std::uint64_t> OpenedParcel::take_number() {
    std::uint64_t number = 0;
    if (rest_.size() < sizeof number) {
        rest_ = {};
        return std::nullopt;
    }
    std::memcpy(&number, rest_.data(), sizeof number);
    rest_.remove_prefix(sizeof number);
    return number;
}

std::optional<std::string_view> OpenedParcel::take() {
    const auto size = take_number();
    if (!size || *size > rest_.size()) {
        rest_ = {};
        return std::nullopt;
    }
    const std::string_view bytes = rest_.substr(0, static_cast<std::size_t>(*size));
    rest_.remove_prefix(bytes.size());
    return bytes;
}

} // namespace fsrv
