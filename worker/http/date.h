// HTTP dates (RFC 9110 5.6.7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fsrv::http {

// IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT", 29 bytes. `unix_seconds` outside year 0..9999 gives
// nothing.
std::optional<std::string> format_date(std::int64_t unix_seconds);
bool date_is_representable(std::int64_t unix_seconds);

// IMF-fixdate, RFC 850 (two-digit year by the 50-year rule against `now`) and asctime. Strict;
// nothing for anything else.
std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now);

} // namespace fsrv::http
