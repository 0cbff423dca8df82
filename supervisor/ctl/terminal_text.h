// Foreign text for a terminal: nothing in it acts, and its width is known.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fsrv {

// Control characters, bytes that are no UTF-8, and what changes the direction or the order of a
// line become \xHH; without `utf8` all that is not ASCII, since the bytes of a character may be
// controls to a terminal that does not know it.
std::string terminal_safe(std::string_view foreign, bool utf8);

// Columns that a terminal is likely to use: 0 for what combines, 2 for what is wide.
std::size_t columns_of(std::string_view safe);

// The longest beginning, or end, that fits: whole characters, with those that combine.
std::string_view beginning_within(std::string_view safe, std::size_t columns);
std::string_view end_within(std::string_view safe, std::size_t columns);

} // namespace fsrv
