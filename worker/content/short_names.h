// Short names (8.3): the second name that DOS has for a file whose name it cannot write, "GIT~1"
// for
// ".git", "HTPASS~1" for ".htpasswd". A hidden file must not be had by it.
#pragma once

#include <string>
#include <string_view>

namespace fsrv::content {

// Has a segment of the path the form of one: at most 8 and 3 characters, the 8 with "~" and a
// number at their end. Few real names do.
bool may_hold_short_name(std::string_view path);

// Is `name`, which was found in `folder`, one that the folder does not list? Looked up only on file
// systems that may have such names (short_name_fs.def), by reading the folder. True also when that
// cannot be told. Blocking; `folder`: O_PATH will do.
bool is_short_name(int folder, const std::string& name);

} // namespace fsrv::content
