#include "common/json.h"

#include "common/escape_each.h"

#include <fmt/format.h>
#include <iterator>

namespace fsrv {
namespace {

void append_code(std::string& out, char32_t code) {
    if (code > 0xFFFF) { // a surrogate pair
        append_code(out, 0xD800 + ((code - 0x10000) >> 10));
        code = 0xDC00 + ((code - 0x10000) & 0x3FF);
    }
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(code));
}

void append_character(std::string& out, std::string_view character) {
    if (utf8_length(character) == 0) {
        out += "\xEF\xBF\xBD";
    } else if (character == "\"" || character == "\\") {
        out += '\\';
        out += character;
    } else if (const char32_t code = code_point(character); is_unsafe(code)) {
        append_code(out, code);
    } else {
        out += character;
    }
}

} // namespace

bool append_json_escaped(std::string& out, std::string_view bytes, Room room) {
    return escape_each(out, bytes, room, append_character);
}

void append_json_string(std::string& out, std::string_view bytes) {
    out += '"';
    append_json_escaped(out, bytes);
    out += '"';
}

} // namespace fsrv
