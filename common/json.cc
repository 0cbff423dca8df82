#include "common/json.h"

#include "common/escape.h"

#include <fmt/format.h>
#include <iterator>

namespace fsrv {

void append_json_string(std::string& out, std::string_view bytes) {
    out += '"';
    while (true) {
        const std::size_t plain = plain_length(bytes);
        out += bytes.substr(0, plain);
        bytes.remove_prefix(plain);
        if (bytes.empty()) break;
        const char c = bytes.front();
        const std::size_t length = utf8_length(bytes);
        if (length == 0) {
            out += "\xEF\xBF\xBD";
        } else if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (length == 1 && (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
            out += bytes.substr(0, length);
        }
        bytes.remove_prefix(length == 0 ? 1 : length);
    }
    out += '"';
}

} // namespace fsrv
