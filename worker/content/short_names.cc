#include "worker/content/short_names.h"

#include "common/ascii.h"
#include "worker/content/folder_stream.h"

#include <algorithm>
#include <cstdint>
#include <linux/magic.h>
#include <strings.h>
#include <sys/vfs.h>

namespace fsrv::content {
namespace {

bool has_short_form(std::string_view name) {
    const std::size_t dot = name.find('.');
    const std::string_view base = name.substr(0, dot);
    const std::string_view type = dot == std::string_view::npos ? "" : name.substr(dot + 1);
    const std::size_t tilde = base.rfind('~');
    if (tilde == std::string_view::npos || tilde == 0 || tilde + 1 == base.size()) return false;
    return base.size() <= 8 && type.size() <= 3 &&
           std::all_of(base.begin() + static_cast<std::ptrdiff_t>(tilde) + 1, base.end(), is_digit);
}

bool may_have_short_names(int folder) {
    struct statfs fs {};
    if (::fstatfs(folder, &fs) != 0) return true;
    switch (static_cast<std::uint32_t>(fs.f_type)) {
#define FSRV_SHORT_NAME_FS(magic, name) case magic:
#include "worker/content/short_name_fs.def"
#undef FSRV_SHORT_NAME_FS
        return true;
    default: return false;
    }
}

} // namespace

bool may_hold_short_name(std::string_view path) {
    if (path.find('~') == std::string_view::npos) return false;
    while (!path.empty()) {
        const std::string_view name = path.substr(0, path.find('/'));
        if (has_short_form(name)) return true;
        path.remove_prefix(std::min(name.size() + 1, path.size()));
    }
    return false;
}

bool is_short_name(int folder, const std::string& name) {
    if (!has_short_form(name) || !may_have_short_names(folder)) return false;
    const FolderStream list = folder_stream(folder);
    if (!list) return true;
    while (const dirent* item = ::readdir(list.get()))
        if (::strcasecmp(item->d_name, name.c_str()) == 0) return false;
    return true;
}

} // namespace fsrv::content
