// Building the field lines of an answer. No streams, no copies: everything is appended to one
// string.
#pragma once

#include <concepts>
#include <fmt/format.h>
#include <string>
#include <string_view>

namespace fsrv::http {

inline void add_field(std::string& fields, std::string_view name, std::string_view value) {
    fields.append(name).append(": ").append(value).append("\r\n");
}

inline void add_field(std::string& fields, std::string_view name,
                      std::unsigned_integral auto value) {
    const fmt::format_int digits(value);
    add_field(fields, name, std::string_view(digits.data(), digits.size()));
}

} // namespace fsrv::http
