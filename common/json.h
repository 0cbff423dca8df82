// JSON text (RFC 8259), as far as logs and listings need it.
#pragma once

#include <string>
#include <string_view>

namespace fsrv {

// Appends `bytes` as a quoted JSON string; bytes that are not valid UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view bytes);

// Length of the valid UTF-8 sequence at the front of `bytes` (1 to 4), 0 when there is none (RFC
// 3629: no overlong forms, no surrogates). Bytes must not be empty.
unsigned utf8_sequence_length(std::string_view bytes);

} // namespace fsrv
