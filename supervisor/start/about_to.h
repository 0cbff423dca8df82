// Hears what is looked at next, since any of it may hang.
#pragma once

#include <functional>
#include <string_view>

namespace fsrv {

using AboutTo = std::function<void(std::string_view what)>;

} // namespace fsrv
