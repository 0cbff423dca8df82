#include "worker/content/world_rights.h"

#include <cerrno>

namespace fsrv::content {
namespace {

bool world_may_enter(const struct stat& status) {
    return (status.st_mode & S_IXOTH) != 0;
}

} // namespace

Result<void, Errno> check_world_rights(const Resolver& resolver, const std::string& path,
                                       const Entry& entry, Reach& reach) {
    const bool folder = entry.kind == EntryKind::folder;
    if (!(folder ? world_may_enter(entry.status) : world_may_read(entry.status)))
        return unexpected(Errno{EACCES});
    for (std::size_t end = path.empty() ? path.npos : 0; end != path.npos;
         end = path.find('/', end + 1)) {
        const auto above = resolver.look(path.substr(0, end), reach);
        if (!above) return unexpected(above.error());
        if (!world_may_enter(above->status)) return unexpected(Errno{EACCES});
    }
    return {};
}

} // namespace fsrv::content
