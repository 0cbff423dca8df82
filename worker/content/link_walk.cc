#include "worker/content/link_walk.h"

#include "common/limits.h"
#include "worker/content/pseudo_fs.h"
#include "worker/content/short_names.h"
#include "worker/http/target.h"

#include <algorithm>
#include <climits>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <utility>
#include <vector>

namespace fsrv::content {
namespace {

constexpr int kLookAtLink = O_PATH | O_NOFOLLOW | O_CLOEXEC;

// Component opens of one walk. Links full of ".." could otherwise make it long: each ".." goes down
// from the root again.
constexpr unsigned kMaxSteps = 16 * 1024;

bool stat_unasked(int folder, const char* name, int flags, struct stat& status) {
    struct statx found {};
    flags |= AT_NO_AUTOMOUNT;
    if (::statx(folder, name, flags | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &found) != 0) {
        // Denied by somebody's filter of calls, or older than Linux 4.11 (which the C library makes
        // EINVAL of): nobody can be told to ask nobody.
        const bool lacking = errno == EPERM || errno == ENOSYS || errno == EINVAL;
        return lacking && ::fstatat(folder, name, &status, flags) == 0;
    }
    status = {};
    status.st_dev = gnu_dev_makedev(found.stx_dev_major, found.stx_dev_minor);
    status.st_ino = found.stx_ino;
    status.st_mode = found.stx_mode;
    status.st_size = static_cast<off_t>(found.stx_size);
    status.st_mtim = {.tv_sec = found.stx_mtime.tv_sec, .tv_nsec = found.stx_mtime.tv_nsec};
    status.st_ctim = {.tv_sec = found.stx_ctime.tv_sec, .tv_nsec = found.stx_ctime.tv_nsec};
    return true;
}

// RESOLVE_CACHED is of Linux 5.12; before, nobody can be told to ask nobody.
UniqueFd open_in_memory(int folder, const char* name) {
    open_how how{};
    how.flags = kLookAtLink;
    how.resolve = RESOLVE_CACHED;
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, folder, name, &how, sizeof how)));
    if (!fd && (errno == EINVAL || errno == ENOSYS || errno == EPERM))
        fd.reset(::openat(folder, name, kLookAtLink));
    return fd;
}

// Takes the first component off `path`, which keeps the rest; "" when there is none left.
std::string_view take_component(std::string_view& path) {
    std::string_view name;
    do {
        path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
        name = path.substr(0, path.find('/'));
        path.remove_prefix(name.size());
    } while (name == ".");
    return name;
}

std::vector<std::string> names_in(std::string_view path) {
    std::vector<std::string> names;
    for (std::string_view name = take_component(path); !name.empty(); name = take_component(path))
        names.emplace_back(name);
    return names;
}

class Walk final {
  public:
    explicit Walk(const WalkPolicy& policy) : policy_(policy) {}

    Result<WalkEnd, Errno> run(std::string_view path) {
        queue(path);
        if (const Errno failed = go_to(policy_.root_fd); failed.code != 0)
            return unexpected(failed);
        while (!pending_.empty()) {
            const std::string name = std::move(pending_.back());
            pending_.pop_back();
            if (const Errno failed = step(name); failed.code != 0) return unexpected(failed);
        }
        std::string clean = clean_path();
        if (!policy_.hidden && http::has_hidden_segment(clean)) return unexpected(Errno{ENOENT});
        return WalkEnd{.object = std::move(here_),
                       .status = status_,
                       .parent = std::move(parent_),
                       .name = std::move(name_),
                       .path = std::move(clean)};
    }

  private:
    // Errno{0} is success for all of these.
    Errno step(const std::string& name) {
        if (++steps_ > kMaxSteps) return {ELOOP};
        if (name == "." || name == "..") {
            if (!S_ISDIR(status_.st_mode)) return {ENOTDIR};
            return name == "." ? Errno{} : climb();
        }
        const bool charged = !confined() || status_.st_dev == policy_.reach->device;
        UniqueFd next = charged ? UniqueFd(::openat(here_.get(), name.c_str(), kLookAtLink))
                                : open_in_memory(here_.get(), name.c_str());
        if (!next && !charged && errno == EAGAIN) return {policy_.reach->want(status_.st_dev)};
        if (!next) return Errno::last();
        struct stat status {};
        if (!look_at(next.get(), status)) return Errno::last();
        if (!policy_.hidden && may_hold_short_name(name)) {
            if (confined() && !policy_.reach->may_ask(status_.st_dev))
                return {policy_.reach->want(status_.st_dev)}; // the folder has to be read
            if (is_short_name(here_.get(), name)) return {ENOENT};
        }
        if (S_ISLNK(status.st_mode) && confined() && !policy_.reach->may_ask(status.st_dev))
            return {policy_.reach->want(status.st_dev)}; // its text may have to be read
        if (S_ISLNK(status.st_mode)) return follow(next.get());
        parent_ = std::move(here_);
        here_ = std::move(next);
        status_ = status;
        name_ = name;
        names_.push_back(name);
        return {};
    }

    Errno follow(int link) {
        if (policy_.symlinks == Symlinks::never || ++links_ > limits::kMaxSymlinks) return {ELOOP};
        // The links of proc are doors rather than text.
        if (on_pseudo_fs(link)) return {ELOOP};
        char text[PATH_MAX];
        const ssize_t length = ::readlinkat(link, "", text, sizeof text);
        if (length < 0) return Errno::last();
        std::string_view target(text, static_cast<std::size_t>(length));
        if (target.empty() || target.size() == sizeof text) return {ENOENT};
        if (target.front() == '/') {
            Errno failed;
            if (policy_.symlinks == Symlinks::follow) {
                const UniqueFd top(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
                failed = top ? go_to(top.get()) : Errno::last();
                from_root_ = false;
            } else {
                const auto below = below_root(target, policy_.root_path);
                if (!below) return {EXDEV};
                target = *below;
                failed = go_to(policy_.root_fd);
            }
            if (failed.code != 0) return failed;
        }
        queue(target);
        return {};
    }

    Errno climb() {
        if (policy_.symlinks == Symlinks::follow) {
            const UniqueFd up(::openat(here_.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
            if (names_.empty() && std::exchange(from_root_, false))
                names_ = names_in(policy_.root_path);
            if (!names_.empty()) names_.pop_back();
            std::vector<std::string> names = std::move(names_);
            const Errno failed = up ? go_to(up.get()) : Errno::last();
            names_ = std::move(names);
            return failed;
        }
        if (names_.empty()) return {EXDEV};
        names_.pop_back();
        // Down from the root again, not up with "..": a folder that was moved out of the root
        // meanwhile has another parent.
        const std::vector<std::string> names = std::exchange(names_, {});
        if (const Errno failed = go_to(policy_.root_fd); failed.code != 0) return failed;
        for (std::size_t i = 0; i < names.size(); ++i) {
            const Errno failed = step(names[i]);
            if (steps_ > kMaxSteps) return {ELOOP};
            if (failed.code == kOtherDevice) return failed;
            if (failed.code != 0 || names_.size() != i + 1)
                return {EAGAIN}; // a link stands there now
        }
        return {};
    }

    Errno go_to(int folder) {
        here_.reset(::openat(folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
        parent_.reset();
        name_.clear();
        names_.clear();
        if (!here_ || !look_at(here_.get(), status_)) return Errno::last();
        return {};
    }

    // From the root; "" also for what does not lie below it.
    std::string clean_path() const {
        std::string clean;
        for (const std::string& name : names_) clean.append(clean.empty() ? "" : "/").append(name);
        return from_root_ ? clean : std::string(below_root(clean, policy_.root_path).value_or(""));
    }

    bool confined() const { return policy_.reach && !policy_.reach->anywhere; }
    bool look_at(int fd, struct stat& status) const {
        return confined() ? stat_in_memory(fd, status) : ::fstat(fd, &status) == 0;
    }

    // In front of what is still to go. "." stands for a slash at the end: what comes before it has
    // to be a folder.
    void queue(std::string_view path) {
        const bool slash = path.ends_with('/') || path.ends_with("/.");
        const std::vector<std::string> names = names_in(path);
        if (slash) pending_.emplace_back(".");
        pending_.insert(pending_.end(), names.rbegin(), names.rend());
    }

    const WalkPolicy& policy_;
    std::vector<std::string> pending_; // the next one is the last
    std::vector<std::string> names_;   // where we are
    bool from_root_ = true;            // they are taken from the root, not from "/"
    UniqueFd here_;
    UniqueFd parent_;
    std::string name_;
    struct stat status_ {};
    unsigned links_ = 0;
    unsigned steps_ = 0;
};

} // namespace

bool stat_in_memory(int fd, struct stat& status) {
    return stat_unasked(fd, "", AT_EMPTY_PATH, status);
}

bool stat_in_memory(int folder, const char* name, struct stat& status) {
    return stat_unasked(folder, name, AT_SYMLINK_NOFOLLOW, status);
}

Result<WalkEnd, Errno> walk_path(const WalkPolicy& policy, std::string_view path) {
    return Walk(policy).run(path);
}

std::optional<std::string_view> below_root(std::string_view absolute, std::string_view root) {
    for (std::string_view name = take_component(root); !name.empty(); name = take_component(root)) {
        if (take_component(absolute) != name) return std::nullopt;
    }
    absolute.remove_prefix(std::min(absolute.find_first_not_of('/'), absolute.size()));
    return absolute;
}

} // namespace fsrv::content
