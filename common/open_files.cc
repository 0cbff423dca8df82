#include "common/open_files.h"

#include "common/unique_fd.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fcntl.h>
#include <limits>
#include <optional>
#include <string_view>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fsrv {
namespace {

constexpr std::size_t kDefaultLimit = 1024;

// The C library's getrlimit() and setrlimit() are prlimit64.
bool get_limit(rlimit& limit) {
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) return true;
#ifdef SYS_getrlimit
    return syscall(SYS_getrlimit, RLIMIT_NOFILE, &limit) == 0;
#else
    return false;
#endif
}

bool set_limit(const rlimit& limit) {
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return true;
#ifdef SYS_setrlimit
    return syscall(SYS_setrlimit, RLIMIT_NOFILE, &limit) == 0;
#else
    return false;
#endif
}

// "Max open files            1024                 524288               files"
std::optional<OpenFilesLimit> limit_of_proc() {
    constexpr std::string_view kRow = "Max open files";
    const UniqueFd fd(open("/proc/self/limits", O_RDONLY | O_CLOEXEC));
    char bytes[4096];
    const ssize_t size = fd ? read(fd.get(), bytes, sizeof bytes) : -1;
    if (size <= 0) return std::nullopt;
    std::string_view text(bytes, static_cast<std::size_t>(size));
    const std::size_t row = text.find(kRow);
    if (row == std::string_view::npos) return std::nullopt;
    text = text.substr(row + kRow.size());
    std::size_t numbers[2] = {0, 0};
    for (std::size_t& number : numbers) {
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        if (text.starts_with("unlimited")) number = std::numeric_limits<std::size_t>::max();
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{} && number == 0) return std::nullopt;
        text.remove_prefix(std::min(text.find(' '), text.size()));
    }
    return OpenFilesLimit{.soft = numbers[0], .hard = numbers[1], .known = true};
}

} // namespace

OpenFilesLimit open_files_limit() {
    rlimit limit{};
    if (get_limit(limit))
        return {.soft = static_cast<std::size_t>(limit.rlim_cur),
                .hard = static_cast<std::size_t>(limit.rlim_max),
                .known = true};
    return limit_of_proc().value_or(
        OpenFilesLimit{.soft = kDefaultLimit, .hard = kDefaultLimit, .known = false});
}

void raise_open_files_limit() {
    rlimit limit{};
    if (!get_limit(limit) || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    set_limit(limit);
}

} // namespace fsrv
