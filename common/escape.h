// Foreign bytes made safe to print. Both append and never fail; neither looks at what `out` already
// holds.
#pragma once

#include <string>
#include <string_view>

namespace fsrv {

// Length in bytes of the UTF-8 character that `bytes` begins with (RFC 3629: shortest form, no
// surrogates); 0: none.
std::size_t utf8_length(std::string_view bytes);

// How many bytes at the front nobody escapes: printable ASCII without quote and backslash.
std::size_t plain_length(std::string_view bytes);

bool is_utf8(std::string_view bytes);

// For people: control characters (C0, DEL, C1) and bytes that are no UTF-8 become \xHH; everything
// else stays.
void append_printable(std::string& out, std::string_view bytes);
std::string printable(std::string_view bytes);

// For a quoted field of the access log, reversible: quotes and backslashes become \xHH too.
void append_escaped(std::string& out, std::string_view bytes);

} // namespace fsrv
