// What the ways to escape (escape.h, json.h) share: plain bytes are copied as they are, each other
// character is handed on, and nothing grows over its room.
#pragma once

#include "common/escape.h"

#include <algorithm>

namespace fsrv {

// `append_character(out, character)`: one whole character of UTF-8, or a byte that is none. Without
// room for all of it, false, and `out` ends with the mark behind the last that has room before it.
template <class AppendCharacter>
bool escape_each(std::string& out, std::string_view bytes, Room room,
                 AppendCharacter append_character) {
    const std::size_t begin = out.size();
    const std::size_t most =
        room.bytes < std::string::npos - begin ? begin + room.bytes : std::string::npos;
    const std::size_t most_before_mark = most - room.mark.size();
    std::size_t cut = begin; // the mark would stand here
    while (true) {
        const std::size_t plain = plain_length(bytes.substr(0, most - out.size() + 1));
        if (out.size() <= most_before_mark) cut = std::min(out.size() + plain, most_before_mark);
        out += bytes.substr(0, plain);
        bytes.remove_prefix(plain);
        if (bytes.empty() || out.size() > most) break;
        const std::string_view character =
            bytes.substr(0, std::max<std::size_t>(utf8_length(bytes), 1));
        bytes.remove_prefix(character.size());
        append_character(out, character);
        if (out.size() > most) break;
        if (out.size() <= most_before_mark) cut = out.size();
    }
    if (out.size() <= most) return true;
    out.resize(cut);
    out += room.mark;
    return false;
}

} // namespace fsrv
