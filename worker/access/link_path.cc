#include "worker/access/link_path.h"

#include "worker/http/target.h"

#include <utility>

namespace fsrv::access {

Result<std::string, std::string_view> link_path(std::string_view origin, bool api) {
    using TargetKind = http::Target::Kind;
    auto target = http::parse_target(origin, api);
    if (!target) return unexpected(target.error().what);
    if (target->kind != TargetKind::tree && target->kind != TargetKind::api)
        return unexpected(std::string_view("expected the URL of a file or a folder"));
    if (target->absolute)
        return unexpected(std::string_view("expected a path from the folder that is served, not "
                                           "from the top of the file system"));
    return std::move(target->path);
}

} // namespace fsrv::access
