// Bytes as text: base64 and base64url (RFC 4648 4 and 5), hexadecimal digits. Strict: what is
// decoded has one spelling, so a text that decodes is the text that its bytes encode to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fsrv::crypto {

enum class Base64 {
    standard, // "+" and "/", padded by "="
    url,      // "-" and "_", without padding
};

std::string encode_base64(std::string_view bytes, Base64 kind);
// None: a character of another alphabet, white space, padding that is missing or that is one too
// many, bits at the end that are not zero.
std::optional<std::string> decode_base64(std::string_view text, Base64 kind);

std::string encode_hex(std::string_view bytes); // in lower case
// None: another character, an odd number of them. Takes both cases.
std::optional<std::string> decode_hex(std::string_view text);

} // namespace fsrv::crypto
