// Foreign bytes made safe to print. What appends never fails, and does not look at what `out`
// already holds.
#pragma once

#include <string>
#include <string_view>

namespace fsrv {

// Length in bytes of the UTF-8 character that `bytes` begins with (RFC 3629: shortest form, no
// surrogates); 0: none.
std::size_t utf8_length(std::string_view bytes);

// The code point of one whole character of sound UTF-8.
char32_t code_point(std::string_view character);

// How many bytes at the front nobody escapes: printable ASCII without quote and backslash.
std::size_t plain_length(std::string_view bytes);

bool is_utf8(std::string_view bytes);

// Such that text around it is read, laid out or cut in another way: control characters (C0, DEL,
// C1), what separates lines, and the marks that turn the direction of text around, or hide.
bool is_unsafe(char32_t character);

// How much may be appended, `mark` included, which then stands for what has no room. `room` is at
// least as long as the mark.
struct Room {
    std::size_t bytes = std::string::npos;
    std::string_view mark = "...";
};

// For people: unsafe characters and bytes that are no UTF-8 become \xHH; everything else stays.
// False: it had no room, and was cut between two characters.
bool append_printable(std::string& out, std::string_view bytes, Room room = {});
std::string printable(std::string_view bytes);
// Of a text with several lines: line feeds stay.
std::string printable_lines(std::string_view text);

// For a quoted field of the access log, reversible unless it was cut: quotes and backslashes become
// \xHH too.
bool append_escaped(std::string& out, std::string_view bytes, Room room = {});

} // namespace fsrv
