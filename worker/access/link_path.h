// What links to a target sign, for --sign and for who verifies them.
#pragma once

#include "common/result.h"

#include <string>
#include <string_view>

namespace fsrv::access {

// As LinkPath has it (common/link_order.h). The error is what was expected.
Result<std::string, std::string_view> link_path(std::string_view origin, bool api);

} // namespace fsrv::access
