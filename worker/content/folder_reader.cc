#include "worker/content/folder_reader.h"

#include "worker/content/pseudo_fs.h"
#include "worker/http/target.h"

#include <cerrno>
#include <fcntl.h>
#include <utility>

namespace fsrv::content {
namespace {

// What says that the name is not there for us: gone, a link that is not followed, not ours. Any
// other error is a disk's trouble, and whoever looks for the name had better see it.
bool not_to_be_had(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EXDEV:
    case ENXIO:
    case ENODEV:
    case ENAMETOOLONG:
    case EACCES:
    case EPERM: return true;
    default: return false;
    }
}

// Of what the folder itself says of a name. Some file systems say nothing: then most are files.
mode_t mode_of(unsigned char type) {
    return type == DT_UNKNOWN ? S_IFREG : static_cast<mode_t>(DTTOIF(type));
}

std::optional<bool> is_folder_type(unsigned char type) {
    if (type == DT_DIR) return true;
    if (type == DT_REG) return false;
    return std::nullopt;
}

struct Found {
    struct stat status {};
    bool known = false;
    int error = 0; // where it is not
};

// `own`: the folder's device.
Found look_at(const char* name, int folder, dev_t own, bool local) {
    Found found;
    // A mount point is not asked for: whoever is mounted there may not answer. What is in memory of
    // a server's files may be old.
    found.known = stat_in_memory(folder, name, found.status);
    if (found.known && !local && found.status.st_dev == own)
        found.known = ::fstatat(folder, name, &found.status, AT_SYMLINK_NOFOLLOW) == 0;
    if (!found.known) found.error = errno;
    return found;
}

std::string child_of(const std::string& folder, std::string_view name) {
    std::string path;
    path.reserve(folder.size() + 1 + name.size());
    path += folder;
    if (!folder.empty()) path += '/';
    return path += name;
}

} // namespace

Result<FolderReader, Errno> FolderReader::open(int folder_fd, const std::string& path,
                                               const Resolver& resolver, Sight sight) {
    FolderStream stream = folder_stream(folder_fd);
    if (!stream) return unexpected(Errno::last());
    FolderReader reader(std::move(stream), path, resolver, std::move(sight));
    struct stat own {};
    if (::fstat(reader.fd(), &own) != 0) return unexpected(Errno::last());
    reader.device_ = own.st_dev;
    reader.local_ = local_fs(reader.fd()) != LocalFs::no;
    return reader;
}

// By the rules of its own path, under the name that is asked for and, without links, its own.
bool FolderReader::is_hidden(std::string_view name) const {
    const bool looks_hidden = http::has_hidden_segment(name);
    if (!sight_.policy) return looks_hidden && !sight_.hidden;
    const std::string path = child_of(*path_, name);
    if (looks_hidden && !sight_.policy->rule_of(path).settings.hidden) return true;
    return sight_.policy->refusal_of(path) != 0 ||
           (sight_.led_to && sight_.policy->refusal_of(child_of(*sight_.led_to, name)) != 0);
}

bool FolderReader::is_shown(std::string_view name, mode_t mode) const {
    if (path_->empty() && S_ISDIR(mode) && name == "-") return false; // "/-/" is reserved
    return S_ISDIR(mode) || S_ISREG(mode);
}

Result<std::optional<ShownEntry>, Errno> FolderReader::next(Reach& reach, Glancer* glancer) {
    for (;; item_ = nullptr) {
        errno = 0;
        if (!item_) item_ = ::readdir(stream_.get());
        if (!item_) {
            if (errno != 0) return unexpected(Errno::last());
            return std::nullopt;
        }
        const std::string_view name = item_->d_name;
        if (name == "." || name == "..") continue;
        const Glance glance =
            glancer ? glancer->glance(name, is_folder_type(item_->d_type)) : Glance::look;
        if (glance == Glance::skip) continue;
        if (glance == Glance::stop) return unexpected(Errno{ECANCELED});
        auto shown = judge(item_->d_name, item_->d_type, reach);
        if (!shown) return shown;
        if (!*shown) continue;
        item_ = nullptr;
        return shown;
    }
}

Result<std::optional<ShownEntry>, Errno> FolderReader::find(const std::string& name,
                                                            Reach& reach) const {
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
        return std::nullopt;
    return judge(name.c_str(), DT_UNKNOWN, reach);
}

// Nothing: it is not shown.
Result<std::optional<ShownEntry>, Errno> FolderReader::judge(const char* name, unsigned char type,
                                                             Reach& reach) const {
    if (is_hidden(name)) return std::nullopt;
    const Found found = look_at(name, fd(), device_, local_);
    if (!found.known && not_to_be_had(found.error)) return std::nullopt;
    ShownEntry entry{.name = name, .status = found.status, .known = found.known};
    mode_t mode = found.known ? found.status.st_mode : mode_of(type);
    // A link may lead to something that is not served, a mount point to a file system that is not.
    entry.foreign = S_ISLNK(mode) || (found.known && found.status.st_dev != device_);
    if (entry.foreign) {
        const auto looked = resolver_->look(child_of(*path_, name), reach);
        if (!looked && looked.error().code == kOtherDevice) return unexpected(looked.error());
        if (!looked && not_to_be_had(looked.error().code)) return std::nullopt;
        if (looked && looked->led_to && sight_.policy &&
            sight_.policy->refusal_of(*looked->led_to) != 0)
            return std::nullopt;
        entry.known = looked.has_value();
        if (entry.known) {
            entry.status = looked->status;
            mode = entry.status.st_mode;
        } else if (S_ISLNK(mode)) {
            mode = S_IFREG;
        }
    }
    if (!is_shown(name, mode)) return std::nullopt;
    entry.folder = S_ISDIR(mode);
    return entry;
}

} // namespace fsrv::content
