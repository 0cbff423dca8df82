// JSON text (RFC 8259), as far as logs and listings need it.
#pragma once

#include "common/escape.h"

#include <string>
#include <string_view>

namespace fsrv {

// Appends `bytes` as what stands in a JSON string, without the quotes: bytes that are not valid
// UTF-8 become U+FFFD, unsafe characters (escape.h) \uXXXX. False: it had no room, and was cut.
bool append_json_escaped(std::string& out, std::string_view bytes, Room room = {});
void append_json_string(std::string& out, std::string_view bytes); // and the quotes

} // namespace fsrv
