// Content-Disposition (RFC 6266) for a download's name, which may be any bytes but "/" and NUL.
#pragma once

#include <string>
#include <string_view>

namespace fsrv::content {

// attachment; filename="name", and for a name that does not fit into plain ASCII also
// filename*=UTF-8''... (RFC 8187), which every browser prefers. In both, a control character or a
// byte that is no valid UTF-8 becomes "_".
std::string attachment(std::string_view name);

} // namespace fsrv::content
