// Text as a string of TOML, in quotes. Of UTF-8 it makes UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace fsrv {

std::string toml_string(std::string_view text);

} // namespace fsrv
