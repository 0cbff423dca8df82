#include "worker/admin/shown_name.h"

#include "common/limits.h"
#include "worker/http/target.h"

namespace fsrv::admin {

std::string shown_name(std::string_view target) {
    const bool cut = target.size() + 1 >= limits::kShownTargetBytes;
    const auto parsed =
        target.starts_with('/') ? http::parse_target(target) : unexpected(http::TargetRefusal{});
    if (cut || !parsed) return std::string(target) + (cut ? "…" : "");
    return "/" + parsed->path + (parsed->wants_folder && !parsed->path.empty() ? "/" : "");
}

} // namespace fsrv::admin
