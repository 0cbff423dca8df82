#include "worker/access/json_value.h"

#include "common/ascii.h"
#include "common/escape.h"

#include <algorithm>
#include <cstdint>

namespace fsrv::access {
namespace {

using JsonKind = JsonValue::Kind;

void append_utf8(std::string& out, char32_t code) {
    const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (code >> shift & 0x3F)); };
    if (code < 0x80) {
        out += static_cast<char>(code);
    } else if (code < 0x800) {
        out += static_cast<char>(0xC0 | code >> 6);
        tail(0);
    } else if (code < 0x10000) {
        out += static_cast<char>(0xE0 | code >> 12);
        tail(6), tail(0);
    } else {
        out += static_cast<char>(0xF0 | code >> 18);
        tail(12), tail(6), tail(0);
    }
}

// Each member takes what it reads off the text; false: it is not there.
class Reader final {
  public:
    explicit Reader(std::string_view text) : rest_(text) {}

    bool document(JsonValue& value) {
        if (!element(value, 0)) return false;
        return rest_.empty();
    }

  private:
    void skip_space() {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
    }
    bool take(std::string_view text) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }

    bool element(JsonValue& value, unsigned depth) {
        skip_space();
        if (depth > kMaxJsonDepth || ++values_ > kMaxJsonValues || rest_.empty()) return false;
        if (!any(value, depth)) return false;
        skip_space();
        return true;
    }

    bool any(JsonValue& value, unsigned depth) {
        switch (rest_.front()) {
        case '{': return object(value, depth);
        case '[': return array(value, depth);
        case '"': value.kind = JsonKind::string; return string(value.text);
        case 't': return word(value, "true", JsonKind::boolean);
        case 'f': return word(value, "false", JsonKind::boolean);
        case 'n': return word(value, "null", JsonKind::null);
        default: return number(value);
        }
    }

    bool word(JsonValue& value, std::string_view text, JsonKind kind) {
        value.kind = kind;
        value.text = text;
        return take(text);
    }

    bool object(JsonValue& value, unsigned depth) {
        value.kind = JsonKind::object;
        take("{");
        skip_space();
        if (take("}")) return true;
        do {
            skip_space();
            std::string name;
            if (!string(name) || std::ranges::count(value.names, name) > 0) return false;
            skip_space();
            value.names.push_back(std::move(name));
            if (!take(":") || !element(value.elements.emplace_back(), depth + 1)) return false;
        } while (take(","));
        return take("}");
    }

    bool array(JsonValue& value, unsigned depth) {
        value.kind = JsonKind::array;
        take("[");
        skip_space();
        if (take("]")) return true;
        do
            if (!element(value.elements.emplace_back(), depth + 1)) return false;
        while (take(","));
        return take("]");
    }

    std::size_t digits() {
        const std::size_t count = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
        rest_.remove_prefix(count);
        return count;
    }

    bool number(JsonValue& value) {
        const std::string_view all = rest_;
        value.kind = JsonKind::number;
        take("-");
        if (!take("0") && digits() == 0) return false;
        if (take(".") && digits() == 0) return false;
        if (take("e") || take("E")) {
            if (!take("+")) take("-");
            if (digits() == 0) return false;
        }
        value.text = all.substr(0, all.size() - rest_.size());
        return true;
    }

    bool string(std::string& out) {
        if (!take("\"")) return false;
        while (!rest_.empty()) {
            const char c = rest_.front();
            if (take("\"")) return true;
            if (c >= 0 && c < ' ') return false;
            if (take("\\")) {
                if (!escape(out)) return false;
            } else {
                out += c;
                rest_.remove_prefix(1);
            }
        }
        return false;
    }

    bool escape(std::string& out) {
        constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
        if (take("u")) return code_point(out);
        const std::size_t which = rest_.empty() ? kLetters.npos : kLetters.find(rest_.front());
        if (which == kLetters.npos) return false;
        out += kMeanings[which];
        rest_.remove_prefix(1);
        return true;
    }

    std::optional<char32_t> unit() {
        const std::string_view digits = rest_.substr(0, 4);
        const auto value = digits.size() < 4 ? std::nullopt : to_number<std::uint32_t>(digits, 16);
        if (value) rest_.remove_prefix(4);
        return value;
    }

    bool code_point(std::string& out) {
        const auto first = unit();
        if (!first || (*first >= 0xDC00 && *first < 0xE000)) return false;
        if (*first < 0xD800 || *first >= 0xE000) {
            append_utf8(out, *first);
            return true;
        }
        const auto second = take("\\u") ? unit() : std::nullopt;
        if (!second || *second < 0xDC00 || *second >= 0xE000) return false;
        append_utf8(out, 0x10000 + ((*first - 0xD800) << 10) + (*second - 0xDC00));
        return true;
    }

    std::string_view rest_;
    unsigned values_ = 0;
};

} // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
    const auto found = std::ranges::find(names, name);
    return found == names.end() ? nullptr
                                : &elements[static_cast<std::size_t>(found - names.begin())];
}

std::optional<JsonValue> parse_json(std::string_view text) {
    std::optional<JsonValue> value(std::in_place);
    if (!is_utf8(text) || !Reader(text).document(*value)) return std::nullopt;
    return value;
}

} // namespace fsrv::access
