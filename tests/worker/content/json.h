// Just enough of a JSON reader (RFC 8259) to prove that a listing is a valid document and says what
// it should. Strict: anything that is no JSON gives nothing. Recursive, for documents the tests
// made themselves.
#pragma once

#include "common/escape.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fsrv::content {

struct Json {
    std::string text; // of a string; of a number, true, false and null as written
    std::vector<Json> items;
    std::map<std::string, Json> members;
    const Json& operator[](const std::string& name) const { return members.at(name); }
    bool has(const std::string& name) const { return members.count(name) != 0; }
};

class JsonReader final {
  public:
    static std::optional<Json> read(std::string_view text) {
        JsonReader reader(text);
        auto value = reader.value();
        reader.skip_blank();
        return reader.rest_.empty() ? value : std::nullopt;
    }

  private:
    explicit JsonReader(std::string_view text) : rest_(text) {}

    void skip_blank() {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
    }
    bool take(std::string_view token) {
        skip_blank();
        if (!rest_.starts_with(token)) return false;
        rest_.remove_prefix(token.size());
        return true;
    }

    std::optional<Json> value() {
        Json out;
        if (take("{")) {
            if (take("}")) return out;
            do {
                skip_blank();
                auto name = string();
                if (!name || !take(":")) return std::nullopt;
                auto member = value();
                if (!member || !out.members.emplace(*name, *std::move(member)).second)
                    return std::nullopt;
            } while (take(","));
            return take("}") ? std::optional(std::move(out)) : std::nullopt;
        }
        if (take("[")) {
            if (take("]")) return out;
            do {
                auto item = value();
                if (!item) return std::nullopt;
                out.items.push_back(*std::move(item));
            } while (take(","));
            return take("]") ? std::optional(std::move(out)) : std::nullopt;
        }
        skip_blank();
        if (rest_.starts_with('"')) {
            auto text = string();
            if (!text) return std::nullopt;
            out.text = *std::move(text);
            return out;
        }
        for (const std::string_view word : {"true", "false", "null"}) {
            if (take(word)) {
                out.text = word;
                return out;
            }
        }
        std::size_t end = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
        if (end == 0 || (end > 1 && rest_.front() == '0')) return std::nullopt;
        if (end < rest_.size() && rest_[end] == '.') {
            const std::size_t point = end;
            end = std::min(rest_.find_first_not_of("0123456789", point + 1), rest_.size());
            if (end == point + 1) return std::nullopt;
        }
        out.text = rest_.substr(0, end);
        rest_.remove_prefix(end);
        return out;
    }

    std::optional<std::string> string() {
        if (!rest_.starts_with('"')) return std::nullopt;
        rest_.remove_prefix(1);
        std::string out;
        while (!rest_.empty()) {
            const char c = rest_.front();
            const std::size_t length = utf8_length(rest_);
            if (length == 0 || static_cast<unsigned char>(c) < 0x20) return std::nullopt;
            if (c == '"') {
                rest_.remove_prefix(1);
                return out;
            }
            if (c != '\\') {
                out += rest_.substr(0, length);
                rest_.remove_prefix(length);
                continue;
            }
            const std::string_view two = rest_.substr(0, 2);
            if (two == "\\u") {
                const auto code = escaped_character();
                if (!code) return std::nullopt;
                append_utf8(out, *code);
                continue;
            }
            constexpr std::string_view kNames = "\"\\/bfnrt", kValues = "\"\\/\b\f\n\r\t";
            const std::size_t which =
                two.size() == 2 ? kNames.find(two[1]) : std::string_view::npos;
            if (which == std::string_view::npos) return std::nullopt;
            out += kValues[which];
            rest_.remove_prefix(2);
        }
        return std::nullopt;
    }

    // \uXXXX, or two of them that are a surrogate pair.
    std::optional<char32_t> escaped_character() {
        const auto first = escaped_unit();
        if (!first || (*first & 0xFC00) == 0xDC00) return std::nullopt;
        if ((*first & 0xFC00) != 0xD800) return first;
        const auto second = escaped_unit();
        if (!second || (*second & 0xFC00) != 0xDC00) return std::nullopt;
        return 0x10000 + ((*first & 0x3FF) << 10) + (*second & 0x3FF);
    }
    std::optional<char32_t> escaped_unit() {
        const std::string digits(rest_.substr(0, 6));
        if (digits.size() < 6 || !digits.starts_with("\\u") ||
            digits.find_first_not_of("0123456789abcdefABCDEF", 2) != std::string::npos)
            return std::nullopt;
        rest_.remove_prefix(6);
        return static_cast<char32_t>(std::stoul(digits.substr(2), nullptr, 16));
    }
    static void append_utf8(std::string& out, char32_t code) {
        const auto add = [&](char32_t byte) { out += static_cast<char>(byte); };
        if (code < 0x80) return add(code);
        if (code >= 0x10000) {
            add(0xF0 | code >> 18);
            add(0x80 | (code >> 12 & 0x3F));
        } else if (code >= 0x800) {
            add(0xE0 | code >> 12);
        }
        if (code >= 0x800)
            add(0x80 | (code >> 6 & 0x3F));
        else
            add(0xC0 | code >> 6);
        add(0x80 | (code & 0x3F));
    }

    std::string_view rest_;
};

} // namespace fsrv::content
