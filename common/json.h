// JSON text (RFC 8259), as far as logs and listings need it.
#pragma once

#include <string>
#include <string_view>

namespace fsrv {

// Appends `bytes` as a quoted JSON string; bytes that are not valid UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view bytes);

} // namespace fsrv
