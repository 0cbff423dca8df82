// Values in a query that let their bearer in (the signature of a link, a token), and a password
// before the host of an address. They belong in no log, and on no page of figures. Pure.
#pragma once

#include <string>
#include <string_view>

namespace fsrv::http {

// Whether a request line, a target or a whole address has such a value.
bool has_secret(std::string_view text);
// The same text with "..." in place of each.
std::string without_secrets(std::string_view text);

} // namespace fsrv::http
