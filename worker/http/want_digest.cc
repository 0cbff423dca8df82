#include "worker/http/want_digest.h"

#include "common/ascii.h"

#include <optional>
#include <string>
#include <utility>

namespace fsrv::http {
namespace {

constexpr std::string_view kField = "want-repr-digest";
constexpr std::string_view kSha256 = "sha-256";
constexpr int kMostWeight = 10;

constexpr bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
constexpr bool is_alpha(char c) {
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}
constexpr bool is_one_of(char c, std::string_view set) {
    return set.find(c) != std::string_view::npos;
}

// A structured field, read from its beginning. Each member takes off what it names; false: there is
// no such thing there, and the field is malformed.
class Reader final {
  public:
    explicit Reader(std::string_view text) : text_(text) {}

    bool at_end() const { return text_.empty(); }
    bool takes(char c) {
        if (at_end() || text_.front() != c) return false;
        text_.remove_prefix(1);
        return true;
    }
    void skip_spaces() { skip(" "); }
    void skip_white() { skip(" \t"); }

    bool key(std::string_view& key) {
        if (at_end() || !(is_lower(text_.front()) || text_.front() == '*')) return false;
        key = take_while([](char c) { return is_lower(c) || is_digit(c) || is_one_of(c, "_-.*"); });
        return true;
    }

    // `integer`: its value, where it is one.
    bool item_or_list(std::optional<long long>& integer) {
        if (!takes('(')) return bare_item(integer) && parameters();
        std::optional<long long> ignored;
        for (skip_spaces(); !takes(')'); skip_spaces()) {
            if (!bare_item(ignored) || !parameters()) return false;
            if (at_end() || !is_one_of(text_.front(), " )")) return false;
        }
        return parameters();
    }
    bool parameters() {
        std::string_view ignored_key;
        std::optional<long long> ignored;
        while (takes(';')) {
            skip_spaces();
            if (!key(ignored_key)) return false;
            if (takes('=') && !bare_item(ignored)) return false;
        }
        return true;
    }

  private:
    static constexpr std::size_t kMostDigits = 15;
    static constexpr std::size_t kMostWholeDigits = 12; // of a decimal
    static constexpr std::size_t kMostFraction = 3;

    template <typename Is>
    std::string_view take_while(const Is& is) {
        std::size_t end = 0;
        while (end < text_.size() && is(text_[end])) ++end;
        const std::string_view taken = text_.substr(0, end);
        text_.remove_prefix(end);
        return taken;
    }
    void skip(std::string_view set) {
        take_while([set](char c) { return is_one_of(c, set); });
    }

    bool bare_item(std::optional<long long>& integer) {
        integer.reset();
        if (at_end()) return false;
        const char first = text_.front();
        if (first == '-' || is_digit(first)) return number(integer);
        if (is_alpha(first) || first == '*') {
            take_while([](char c) {
                return is_alpha(c) || is_digit(c) || is_one_of(c, "!#$%&'*+-.^_`|~:/");
            });
            return true;
        }
        text_.remove_prefix(1);
        switch (first) {
        case '"': return string();
        case ':': return byte_sequence();
        case '?': return takes('0') || takes('1');
        case '@': return number(integer) && std::exchange(integer, std::nullopt).has_value();
        case '%': return takes('"') && display_string();
        default: return false;
        }
    }
    bool number(std::optional<long long>& integer) {
        const bool negative = takes('-');
        const std::string_view digits = take_while(is_digit);
        if (digits.empty() || digits.size() > kMostDigits) return false;
        if (takes('.')) {
            const std::string_view fraction = take_while(is_digit);
            return digits.size() <= kMostWholeDigits && !fraction.empty() &&
                   fraction.size() <= kMostFraction;
        }
        long long value = 0;
        for (const char digit : digits) value = value * 10 + (digit - '0');
        integer = negative ? -value : value;
        return true;
    }
    bool string() {
        while (!at_end()) {
            const char c = text_.front();
            text_.remove_prefix(1);
            if (c == '"') return true;
            if (c < 0x20 || c >= 0x7F) return false;
            if (c == '\\' && !takes('"') && !takes('\\')) return false;
        }
        return false;
    }
    bool byte_sequence() {
        take_while([](char c) { return is_alpha(c) || is_digit(c) || is_one_of(c, "+/="); });
        return takes(':');
    }
    bool display_string() {
        const auto is_hex = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); };
        while (!at_end()) {
            const char c = text_.front();
            text_.remove_prefix(1);
            if (c == '"') return true;
            if (c < 0x20 || c >= 0x7F) return false;
            if (c != '%') continue;
            if (text_.size() < 2 || !is_hex(text_[0]) || !is_hex(text_[1])) return false;
            text_.remove_prefix(2);
        }
        return false;
    }

    std::string_view text_;
};

} // namespace

bool wants_sha256(std::string_view dictionary) {
    Reader reader(dictionary);
    bool wanted = false;
    for (reader.skip_spaces(); !reader.at_end();) {
        std::string_view key;
        std::optional<long long> weight;
        if (!reader.key(key)) return false;
        if (!(reader.takes('=') ? reader.item_or_list(weight) : reader.parameters())) return false;
        if (key == kSha256) wanted = weight && *weight > 0 && *weight <= kMostWeight;
        reader.skip_white();
        if (reader.at_end()) break;
        if (!reader.takes(',')) return false;
        reader.skip_white();
        if (reader.at_end()) return false; // a comma, and nothing behind it
    }
    return wanted;
}

bool wants_sha256(const Request& request) {
    std::string_view only;
    std::string joined;
    unsigned count = 0;
    for (const Field& field : request.all_fields()) {
        if (!equal_ignoring_case(field.name, kField)) continue;
        if (++count == 1) {
            only = field.value;
            continue;
        }
        if (count == 2) joined = only;
        joined.append(", ").append(field.value);
        only = joined;
    }
    return count > 0 && wants_sha256(only);
}

} // namespace fsrv::http
