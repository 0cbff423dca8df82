#include "worker/content/mounts.h"

#include "common/ascii.h"
#include "worker/content/pseudo_fs.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace fsrv::content {
namespace {

constexpr std::size_t kMaxText = 4 * 1024 * 1024; // of a system with far too many mounts

std::optional<dev_t> to_device(std::string_view field) {
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto major = to_number<unsigned>(field.substr(0, colon));
    const auto minor = to_number<unsigned>(field.substr(colon + 1));
    if (!major || !minor) return std::nullopt;
    return gnu_dev_makedev(*major, *minor);
}

// Space, tab, line feed and backslash are written as a backslash and three octal digits.
std::string unescape(std::string_view field) {
    std::string text;
    for (std::size_t i = 0; i < field.size(); ++i) {
        const auto code = field[i] == '\\' ? to_number<unsigned>(field.substr(i + 1, 3), 8)
                                           : std::optional<unsigned>();
        text.push_back(code ? static_cast<char>(*code) : field[i]);
        if (code) i += 3;
    }
    return text;
}

// The file system's name: after the optional fields, which a lone hyphen ends.
std::string_view type_in(std::string_view line) {
    while (!line.empty())
        if (take_before(line, ' ') == "-") return take_before(line, ' ');
    return {};
}

bool holds(std::string_view folder, std::string_view path) {
    return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

} // namespace

std::vector<Mount> parse_mountinfo(std::string_view text, std::string_view root) {
    if (root == "/") root = "";
    std::vector<Mount> below;
    Mount holder; // of the root: the deepest above it
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        take_before(line, ' '); // mount, parent
        take_before(line, ' ');
        const auto device = to_device(take_before(line, ' '));
        take_before(line, ' '); // the part of the file system that is mounted
        std::string point = unescape(take_before(line, ' '));
        if (!device || !point.starts_with('/')) continue;
        if (point == "/") point.clear();
        Mount mount{
            .point = std::move(point), .device = *device, .pseudo = is_pseudo_fs(type_in(line))};
        if (holds(mount.point, root)) {
            if (mount.point.size() >= holder.point.size()) holder = std::move(mount);
        } else if (holds(root, mount.point)) {
            below.push_back(std::move(mount));
        }
    }
    below.insert(below.begin(), std::move(holder));
    return below;
}

dev_t device_of(const std::vector<Mount>& mounts, std::string_view path) {
    const Mount* deepest = nullptr;
    for (const Mount& mount : mounts) {
        if (holds(mount.point, path) && (!deepest || mount.point.size() >= deepest->point.size()))
            deepest = &mount;
    }
    return deepest ? deepest->device : 0;
}

Mounts::Mounts(std::string root, dev_t root_device)
    : root_(root == "/" ? "" : std::move(root)),
      file_(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC | O_NONBLOCK)),
      root_device_(root_device) {
    refresh();
}

void Mounts::refresh() {
    std::string text;
    char buffer[16 * 1024];
    if (file_) ::lseek(file_.get(), 0, SEEK_SET);
    while (file_ && text.size() < kMaxText) {
        const ssize_t n = ::read(file_.get(), buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        text.append(buffer, static_cast<std::size_t>(n));
    }
    auto mounts = std::make_shared<std::vector<Mount>>(parse_mountinfo(text, root_));
    if (root_device_ != 0) mounts->front().device = root_device_;
    mounts_ = std::move(mounts);
}

dev_t Mounts::device_of(std::string_view path, bool absolute) const {
    if (mounts_->size() == 1) return mounts_->front().device;
    std::string whole = absolute ? "" : root_;
    if (!path.empty()) whole.append("/").append(path);
    return content::device_of(*mounts_, whole);
}

} // namespace fsrv::content
