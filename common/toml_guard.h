// toml++ (3.3) bounds the nesting of values, but not the depth of a.dotted.key, and it destroys
// such tables by recursion: enough dots would overflow the stack.
#pragma once

#include <optional>
#include <string_view>

namespace fsrv {

// The line with one dot too many outside of strings and comments. Where the text is no TOML it may
// be wrong: toml++ reads no further than that either.
std::optional<unsigned> line_of_too_many_dots(std::string_view toml);

} // namespace fsrv
