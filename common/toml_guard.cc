#include "common/toml_guard.h"

#include <algorithm>

namespace fsrv {
namespace {

// No option has a dot in its name; a few are let through only for the sake of a better message.
constexpr unsigned kMaxDots = 256;

// Up to the end of a comment or of a string on one line. A string that does not end there is an
// error to toml++, which reads no further, so where it ends for us does not matter.
std::size_t length_in_line(std::string_view toml) {
    const char opening = toml.front();
    std::size_t i = 1;
    while (i < toml.size() && toml[i] != '\n') {
        if (opening != '#' && toml[i] == opening) return i + 1;
        i += opening == '"' && toml[i] == '\\' ? 2 : 1;
    }
    return std::min(i, toml.size());
}

std::size_t length_of_multi_line(std::string_view toml) {
    const std::string_view delimiter = toml.substr(0, 3);
    std::size_t i = 3;
    while (i < toml.size() && !toml.substr(i).starts_with(delimiter))
        i += delimiter[0] == '"' && toml[i] == '\\' ? 2 : 1;
    // One or two quotes more are the last characters of the string.
    std::size_t end = std::min(i + 3, toml.size());
    while (end < std::min(i + 5, toml.size()) && toml[end] == delimiter[0]) ++end;
    return end;
}

// Length of the comment or string that `toml` begins with; 0: neither.
std::size_t opaque_length(std::string_view toml) {
    if (toml.starts_with("\"\"\"") || toml.starts_with("'''")) return length_of_multi_line(toml);
    const char c = toml.front();
    return c == '#' || c == '"' || c == '\'' ? length_in_line(toml) : 0;
}

} // namespace

std::optional<unsigned> line_of_too_many_dots(std::string_view toml) {
    unsigned line = 1;
    unsigned dots = 0;
    while (!toml.empty()) {
        const std::size_t opaque = opaque_length(toml);
        if (opaque == 0 && toml.front() == '.' && ++dots > kMaxDots) return line;
        const std::string_view part = toml.substr(0, std::max<std::size_t>(opaque, 1));
        line += static_cast<unsigned>(std::ranges::count(part, '\n'));
        toml.remove_prefix(part.size());
    }
    return std::nullopt;
}

} // namespace fsrv
