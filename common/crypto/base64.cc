#include "common/crypto/base64.h"

#include <algorithm>
#include <array>

namespace fsrv::crypto {
namespace {

using Alphabet = std::string_view;
constexpr Alphabet kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr Alphabet kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr Alphabet kHex = "0123456789abcdef";
constexpr std::uint8_t kNoDigit = 0xFF;

constexpr Alphabet alphabet_of(Base64 kind) {
    return kind == Base64::url ? kUrl : kStandard;
}

constexpr auto digits_of(Alphabet alphabet) {
    std::array<std::uint8_t, 256> digits{};
    digits.fill(kNoDigit);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        digits[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return digits;
}
constexpr auto kStandardDigits = digits_of(kStandard);
constexpr auto kUrlDigits = digits_of(kUrl);

constexpr unsigned char byte(char c) {
    return static_cast<unsigned char>(c);
}

} // namespace

std::string encode_base64(std::string_view bytes, Base64 kind) {
    const Alphabet alphabet = alphabet_of(kind);
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : bytes) {
        bits = bits << 8 | byte(c);
        for (count += 8; count >= 6; count -= 6) out += alphabet[bits >> (count - 6) & 0x3F];
    }
    if (count > 0) out += alphabet[bits << (6 - count) & 0x3F];
    while (kind == Base64::standard && out.size() % 4 != 0) out += '=';
    return out;
}

std::optional<std::string> decode_base64(std::string_view text, Base64 kind) {
    if (kind == Base64::standard) {
        if (text.size() % 4 != 0) return std::nullopt;
        for (int n = 0; n < 2 && text.ends_with('='); ++n) text.remove_suffix(1);
    }
    if (text.size() % 4 == 1) return std::nullopt;
    const auto& digits = kind == Base64::url ? kUrlDigits : kStandardDigits;
    std::string out;
    out.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const std::uint8_t digit = digits[byte(c)];
        if (digit == kNoDigit) return std::nullopt;
        bits = bits << 6 | digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>(bits >> count & 0xFF);
        }
    }
    if ((bits & ((1U << count) - 1)) != 0) return std::nullopt;
    return out;
}

std::string encode_hex(std::string_view bytes) {
    std::string out;
    out.reserve(2 * bytes.size());
    for (const char c : bytes) {
        out += kHex[byte(c) >> 4];
        out += kHex[byte(c) & 0xF];
    }
    return out;
}

std::optional<std::string> decode_hex(std::string_view text) {
    const auto digit = [](char c) {
        return kHex.find(c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c);
    };
    if (text.size() % 2 != 0) return std::nullopt;
    std::string out;
    out.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const std::size_t high = digit(text[i]), low = digit(text[i + 1]);
        if (high == Alphabet::npos || low == Alphabet::npos) return std::nullopt;
        out += static_cast<char>(high << 4 | low);
    }
    return out;
}

} // namespace fsrv::crypto
