// JSON that others made (RFC 8259), read whole. Strict: nothing that two readers may understand in
// two ways is taken. Bounded: for small texts such as those of tokens.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv::access {

inline constexpr unsigned kMaxJsonDepth = 8;    // of arrays and objects in each other
inline constexpr unsigned kMaxJsonValues = 512; // in all

struct JsonValue {
    enum class Kind { null, boolean, number, string, array, object };
    Kind kind = Kind::null;
    std::string text; // of a string: decoded, UTF-8; of a number and a boolean: as it was written
    std::vector<JsonValue> elements; // of an array; of an object its values
    std::vector<std::string> names;  // of an object: as many as elements, each once

    const JsonValue* find(std::string_view name) const; // null: no such name, or no object
};

// None: no JSON (a name twice in an object, a lone surrogate, bytes that are no UTF-8, anything
// after it), or more of it than the bounds allow.
std::optional<JsonValue> parse_json(std::string_view text);

} // namespace fsrv::access
