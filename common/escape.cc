#include "common/escape.h"

#include <algorithm>

namespace fsrv {
namespace {

unsigned byte_at(std::string_view bytes, std::size_t i) {
    return static_cast<unsigned char>(bytes[i]);
}

bool is_control(std::string_view character) {
    const unsigned first = byte_at(character, 0);
    if (character.size() == 1) return first < 0x20 || first == 0x7f;
    return character.size() == 2 && first == 0xc2 && byte_at(character, 1) < 0xa0; // C1
}

void append_hex(std::string& out, std::string_view bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        out += "\\x";
        out += kDigits[byte_at(bytes, i) >> 4];
        out += kDigits[byte_at(bytes, i) & 15];
    }
}

void append(std::string& out, std::string_view bytes, std::string_view also_escaped) {
    while (true) {
        const std::size_t plain = plain_length(bytes);
        out += bytes.substr(0, plain);
        bytes.remove_prefix(plain);
        if (bytes.empty()) return;
        const std::size_t length = utf8_length(bytes);
        const std::string_view character = bytes.substr(0, length == 0 ? 1 : length);
        bytes.remove_prefix(character.size());
        if (length == 0 || is_control(character) ||
            also_escaped.find(character) != std::string_view::npos)
            append_hex(out, character);
        else
            out += character;
    }
}

} // namespace

std::size_t utf8_length(std::string_view bytes) {
    if (bytes.empty()) return 0;
    const unsigned first = byte_at(bytes, 0);
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (bytes.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte_at(bytes, i) & 0xc0) != 0x80) return 0;
    const unsigned second = byte_at(bytes, 1);
    const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    const bool surrogate = first == 0xed && second >= 0xa0;
    const bool beyond = first == 0xf4 && second >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

std::size_t plain_length(std::string_view bytes) {
    const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; };
    return static_cast<std::size_t>(std::find_if_not(bytes.begin(), bytes.end(), is_plain) -
                                    bytes.begin());
}

bool is_utf8(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::size_t length = utf8_length(bytes);
        if (length == 0) return false;
        bytes.remove_prefix(length);
    }
    return true;
}

void append_printable(std::string& out, std::string_view bytes) {
    append(out, bytes, "");
}

std::string printable(std::string_view bytes) {
    std::string out;
    append_printable(out, bytes);
    return out;
}

void append_escaped(std::string& out, std::string_view bytes) {
    append(out, bytes, "\"\\");
}

} // namespace fsrv
