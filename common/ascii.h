// What parsers of foreign text share: letters and numbers of ASCII, whatever the locale.
#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace fsrv {

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// The number that all of `text` is, in digits of `base`; none for anything else: an empty text, a
// sign that `Number` cannot have, a blank, a number too big for it.
template <class Number>
std::optional<Number> to_number(std::string_view text, int base = 10) {
    Number number{};
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number, base);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return number;
}

// Takes off `text` what stands before its first `separator`, all of it where there is none, and the
// separator.
constexpr std::string_view take_before(std::string_view& text, char separator) {
    const std::string_view part = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    return part;
}

} // namespace fsrv
