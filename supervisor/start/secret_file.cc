#include "supervisor/start/secret_file.h"

#include "common/limits.h"
#include "common/log.h"
#include "common/unique_fd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fsrv {
namespace {

tl::unexpected<std::string> unreadable(Errno error) {
    std::string_view advice;
    if (error.code == EACCES)
        advice = "; expected that who starts the server may read it, which --user does not change";
    if (error.code == ENOENT) advice = "; expected the name of a file that exists";
    return unexpected(errno_text(error.code) + std::string(advice));
}

} // namespace

bool SecretFile::is_for_everybody() const {
    return (mode & S_IROTH) != 0;
}

// O_NONBLOCK, since the name may be a FIFO's.
Result<SecretFile, std::string> read_secret_file(const std::string& name, std::string_view what) {
    const UniqueFd fd(open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat found {};
    if (!fd || fstat(fd.get(), &found) != 0) return unreadable(Errno::last());
    if (!S_ISREG(found.st_mode))
        return unexpected(
            std::string("expected a file, which can be read again when it is renewed"));
    const auto size = static_cast<std::size_t>(found.st_size);
    if (size > limits::kMaxTlsFileBytes)
        return unexpected(
            fmt::format("expected {} of at most {} KiB", what, limits::kMaxTlsFileBytes / 1024));
    std::string bytes(size, '\0');
    const ssize_t got = read(fd.get(), bytes.data(), size);
    const Errno error = Errno::last();
    Secret secret(std::move(bytes));
    if (got < 0) return unreadable(error);
    if (static_cast<std::size_t>(got) != size)
        return unexpected(std::string("it changes while it is read; try again"));
    return SecretFile{.bytes = std::move(secret), .mode = found.st_mode};
}

} // namespace fsrv
