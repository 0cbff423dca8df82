#include "common/rule_keys.h"

#include "common/ascii.h"
#include "common/option_sources.h"
#include "common/option_values.h"
#include "common/options.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace fsrv {
namespace {

using Form = RuleValue::Form;

constexpr std::uint64_t kMostRate = std::uint64_t{1} << 40;

constexpr bool is_token_char(char c) { // RFC 9110 5.6.2
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_field_value(std::string_view text) { // RFC 9110 5.5, without bytes beyond ASCII
    return !text.starts_with(' ') && !text.ends_with(' ') &&
           std::ranges::all_of(text, [](char c) { return (c >= ' ' && c < 0x7F) || c == '\t'; });
}

// Those that say what an answer is, or how it is framed: nobody else can know.
constexpr std::array<std::string_view, 26> kOwnFields = {"accept-ranges",
                                                         "age",
                                                         "allow",
                                                         "cache-control",
                                                         "connection",
                                                         "content-disposition",
                                                         "content-encoding",
                                                         "content-length",
                                                         "content-location",
                                                         "content-range",
                                                         "content-type",
                                                         "date",
                                                         "etag",
                                                         "keep-alive",
                                                         "last-modified",
                                                         "location",
                                                         "proxy-authenticate",
                                                         "repr-digest",
                                                         "retry-after",
                                                         "server",
                                                         "te",
                                                         "trailer",
                                                         "transfer-encoding",
                                                         "upgrade",
                                                         "vary",
                                                         "www-authenticate"};
constexpr std::string_view kNoSniff = "x-content-type-options";

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = lower(c);
    return out;
}

Stored wanted(std::string text) {
    return unexpected("expected " + std::move(text));
}

Stored store_word(const RuleValue& value, std::size_t& index,
                  std::span<const std::string_view> words) {
    const auto word =
        value.form == Form::text ? parse_word(value.texts.front(), words) : std::nullopt;
    if (!word) return wanted(expected_word(words));
    index = *word;
    return {};
}

// `first`: the value that the first word stands for.
template <class Enum>
Stored store_enum(const RuleValue& value, Enum& field, std::span<const std::string_view> words,
                  Enum first = Enum{}) {
    std::size_t word = 0;
    Stored stored = store_word(value, word, words);
    if (stored) field = static_cast<Enum>(static_cast<std::size_t>(first) + word);
    return stored;
}

Stored store_on_off(const RuleValue& value, bool& flag) {
    const auto parsed = value.form == Form::text ? parse_on_off(value.texts.front()) : std::nullopt;
    if (!parsed) return wanted("on or off");
    flag = *parsed;
    return {};
}

Stored store_names(const RuleValue& value, std::vector<std::string>& names, std::string_view what) {
    if (value.form != Form::list) return wanted(fmt::format("a list of {}", what));
    names = value.texts;
    if (std::ranges::any_of(names, &std::string::empty))
        return wanted(fmt::format("{}, none of them empty", what));
    return {};
}

Stored store_principals(const RuleValue& value, std::vector<Principal>& principals) {
    constexpr std::string_view kForms =
        "all, users, user:NAME, group:NAME, signed, cert, cert:NAME or ip:CIDR";
    if (value.form != Form::list) return wanted(fmt::format("a list of {}", kForms));
    principals.clear();
    for (const std::string& text : value.texts) {
        auto principal = parse_principal(text);
        if (!principal) {
            return unexpected(fmt::format(
                "expected {}, not {}{}", kForms, quoted_value(text),
                text.starts_with("ip:") ? " (an address has no bits beyond its prefix)" : ""));
        }
        principals.push_back(*std::move(principal));
    }
    return {};
}

Stored store_rate(const RuleValue& value, std::uint64_t& rate) {
    constexpr OptionBounds kRateBounds{.least = 0, .most = kMostRate};
    const auto parsed =
        value.form == Form::text ? parse_size(value.texts.front(), kRateBounds) : std::nullopt;
    if (!parsed) return wanted(expected_size(kRateBounds));
    rate = *parsed;
    return {};
}

Stored store_headers(const RuleValue& value,
                     std::vector<std::pair<std::string, std::string>>& headers) {
    if (value.form != Form::pairs)
        return wanted("a table, such as { Access-Control-Allow-Origin = \"*\" }");
    headers.clear();
    for (const auto& [name, text] : value.pairs) {
        if (name.empty() || !std::ranges::all_of(name, is_token_char))
            return unexpected(fmt::format("{} is no name of a field", quoted_value(name)));
        const std::string known = lower_case(name);
        if (known == "cache-control")
            return unexpected(std::string("Cache-Control has a key of its own: cache-control"));
        if (known == kNoSniff || std::ranges::binary_search(kOwnFields, known))
            return unexpected(fmt::format("{} is a field that fsrv makes itself", name));
        if (!is_field_value(text))
            return unexpected(fmt::format("the value of {} has to be printable ASCII", name));
        headers.emplace_back(name, text);
    }
    return {};
}

Stored store_cache_control(const RuleValue& value, std::string& text) {
    if (value.form != Form::text || !is_field_value(value.texts.front()))
        return wanted("a value of Cache-Control, such as max-age=3600");
    text = value.texts.front();
    return {};
}

Stored store_types(const RuleValue& value, std::map<std::string, std::string>& types) {
    if (value.form != Form::pairs)
        return wanted("a table, such as { \".foo\" = \"application/x-foo\" }");
    types.clear();
    for (const auto& [extension, type] : value.pairs) {
        if (!extension.starts_with('.') || extension.find('.', 1) != std::string::npos ||
            extension.size() < 2)
            return unexpected(
                fmt::format("{} is no ending such as \".foo\"", quoted_value(extension)));
        if (type.find('/') == std::string::npos || !is_field_value(type))
            return unexpected(fmt::format("{} is no media type", quoted_value(type)));
        types[lower_case(extension)] = type;
    }
    return {};
}

Stored store_index(const RuleValue& value, std::string& index) {
    constexpr OptionBounds kNameBounds{0, 255, "the name of a file, without a slash", true};
    const auto parsed =
        value.form == Form::text ? parse_text(value.texts.front(), kNameBounds) : std::nullopt;
    if (!parsed) return wanted(std::string(kNameBounds.description));
    index = *parsed;
    return {};
}

constexpr std::array<std::string_view, 3> kSymlinks = {"inside", "never", "follow"};
constexpr std::array<std::string_view, 2> kDispositions = {"inline", "attachment"};
constexpr std::array<std::string_view, 3> kPermissions = {"worker", "world", "user"};
constexpr std::array<std::string_view, 2> kCompressions = {"auto", "off"};

constexpr PathKey kPathKeys[] = {
    {"allow", [](auto& s, const auto& v) { return store_principals(v, s.allow); }},
    {"require", [](auto& s, const auto& v) { return store_principals(v, s.require); }},
    {"rate", [](auto& s, const auto& v) { return store_rate(v, s.rate); }},
    {"headers", [](auto& s, const auto& v) { return store_headers(v, s.headers); }},
    {"cache-control",
     [](auto& s, const auto& v) { return store_cache_control(v, s.cache_control); }},
    {"types", [](auto& s, const auto& v) { return store_types(v, s.types); }},
    {"index", [](auto& s, const auto& v) { return store_index(v, s.index); }},
    {"listing", [](auto& s, const auto& v) { return store_on_off(v, s.listing); }},
    {"hidden", [](auto& s, const auto& v) { return store_on_off(v, s.hidden); }},
    {"archive", [](auto& s, const auto& v) { return store_on_off(v, s.archive); }},
    {"precompressed", [](auto& s, const auto& v) { return store_on_off(v, s.precompressed); }},
    {"digests", [](auto& s, const auto& v) { return store_on_off(v, s.digests); }},
    {"compress",
     [](auto& s, const auto& v) {
         std::size_t word = 0;
         Stored stored = store_word(v, word, kCompressions);
         if (stored) s.compress = word == 0;
         return stored;
     }},
    {"symlinks", [](auto& s, const auto& v) { return store_enum(v, s.symlinks, kSymlinks); }},
    {"disposition",
     [](auto& s, const auto& v) {
         return store_enum(v, s.disposition, kDispositions, Disposition::inline_);
     }},
    {"permissions",
     [](auto& s, const auto& v) { return store_enum(v, s.permissions, kPermissions); }},
};

Stored store_name(const RuleValue& value, std::string& name, std::string_view what) {
    if (value.form != Form::text || value.texts.front().empty() || value.texts.front().size() > 255)
        return wanted(fmt::format("the name of {}", what));
    name = value.texts.front();
    return {};
}

Stored store_user_name(const RuleValue& value, std::string& name) {
    if (Stored stored = store_name(value, name, "a user"); !stored) return stored;
    if (name.find(':') != std::string::npos)
        return unexpected(std::string("the name of a user has no colon (RFC 7617)"));
    return {};
}

constexpr LoginKey kLoginKeys[] = {
    {"name", [](auto& l, const auto& v) { return store_user_name(v, l.name); }},
    {"password",
     [](auto& l, const auto& v) {
         return store_name(v, l.password_hash, "a hash: see fsrv --hash-password");
     }},
    {"groups", [](auto& l, const auto& v) { return store_names(v, l.groups, "groups"); }},
    {"account", [](auto& l, const auto& v) { return store_name(v, l.account, "a local account"); }},
};

constexpr TokenKey kTokenKeys[] = {
    {"name", [](auto& t, const auto& v) { return store_user_name(v, t.name); }},
    {"sha256",
     [](auto& t, const auto& v) {
         const bool is_hex = v.form == Form::text && v.texts.front().size() == 64 &&
                             std::ranges::all_of(v.texts.front(), [](char c) {
                                 return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
                             });
         if (!is_hex)
             return wanted("the SHA-256 of a token: 64 hexadecimal digits, as from: "
                           "printf %s TOKEN | sha256sum");
         t.sha256 = lower_case(v.texts.front());
         return Stored();
     }},
    {"groups", [](auto& t, const auto& v) { return store_names(v, t.groups, "groups"); }},
};

} // namespace

std::span<const PathKey> path_keys() {
    return kPathKeys;
}

std::span<const LoginKey> login_keys() {
    return kLoginKeys;
}

std::span<const TokenKey> token_keys() {
    return kTokenKeys;
}

std::optional<Principal> parse_principal(std::string_view text) {
    using Kind = Principal::Kind;
    if (text == "all") return Principal{};
    if (text == "users") return Principal{.kind = Kind::users, .name = {}, .network = {}};
    if (text == "signed") return Principal{.kind = Kind::signed_link, .name = {}, .network = {}};
    if (text == "cert") return Principal{.kind = Kind::certificate, .name = {}, .network = {}};
    const std::string_view kind = text.substr(0, text.find(':'));
    const std::string_view name = text.substr(std::min(kind.size() + 1, text.size()));
    if (name.empty()) return std::nullopt;
    if (kind == "ip") {
        const auto network = parse_network(name);
        if (!network || has_host_bits(*network)) return std::nullopt;
        return Principal{.kind = Kind::network, .name = {}, .network = *network};
    }
    constexpr std::pair<std::string_view, Kind> kNamed[] = {
        {"user", Kind::user}, {"group", Kind::group}, {"cert", Kind::certificate}};
    for (const auto& [word, its_kind] : kNamed)
        if (kind == word)
            return Principal{.kind = its_kind, .name = std::string(name), .network = {}};
    return std::nullopt;
}

} // namespace fsrv
