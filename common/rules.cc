#include "common/rules.h"

#include "common/ascii.h"
#include "common/escape.h"
#include "common/join.h"
#include "common/option_sources.h"
#include "common/option_values.h"
#include "common/options.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <set>
#include <span>

namespace fsrv {
namespace {

using Form = RuleValue::Form;

constexpr std::size_t kMostTables = 10'000; // of a kind
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

// A value that is stored, or what was expected.
using Stored = Result<void, std::string>;

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
constexpr std::array<std::string_view, 2> kCompressions = {"auto", "off"};

struct PathKey {
    std::string_view name;
    Stored (*store)(PathSettings& settings, const RuleValue& value);
};
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
    {"compress",
     [](auto& s, const auto& v) {
         std::size_t word = 0;
         Stored stored = store_word(v, word, kCompressions);
         if (stored) s.compress = word == 0;
         return stored;
     }},
    {"symlinks",
     [](auto& s, const auto& v) {
         std::size_t word = 0;
         Stored stored = store_word(v, word, kSymlinks);
         if (stored) s.symlinks = static_cast<Symlinks>(word);
         return stored;
     }},
    {"disposition",
     [](auto& s, const auto& v) {
         std::size_t word = 0;
         Stored stored = store_word(v, word, kDispositions);
         if (stored) s.disposition = static_cast<Disposition>(word + 1);
         return stored;
     }},
};

struct LoginKey {
    std::string_view name;
    Stored (*store)(Login& login, const RuleValue& value);
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

struct TokenKey {
    std::string_view name;
    Stored (*store)(Token& token, const RuleValue& value);
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

UsageError wrong(const RuleEntry& entry, std::string_view what) {
    return UsageError{fmt::format("{}: {}: {}", entry.place, entry.key, what)};
}

template <class Key>
UsageError unknown_key(const RuleEntry& entry, std::span<const Key> keys,
                       std::initializer_list<std::string_view> more = {}) {
    std::vector<std::string> known;
    for (const Key& key : keys) known.emplace_back(key.name);
    for (const std::string_view name : more) known.emplace_back(name);
    return unknown_name(fmt::format("{}: {}", entry.place, quoted_value(entry.key)), "key",
                        entry.key, known);
}

const RuleEntry* entry_of(const RuleTable& table, std::string_view key) {
    const auto found = std::ranges::find(table.entries, key, &RuleEntry::key);
    return found == table.entries.end() ? nullptr : &*found;
}

// As http::Target::path has it.
Result<std::string, std::string> prefix_of(const RuleValue& value) {
    const auto refused = [] {
        return unexpected(std::string(
            "expected a path that begins with a slash, such as \"/private/\", without . and .."));
    };
    if (value.form != Form::text || !value.texts.front().starts_with('/')) return refused();
    std::string_view rest = value.texts.front();
    if (rest.size() > 4095 || rest.find('\0') != std::string_view::npos) return refused();
    std::string prefix;
    while (!rest.empty()) {
        const std::string_view segment = take_before(rest, '/');
        if (segment.empty()) continue;
        if (segment == "." || segment == "..") return refused();
        if (!prefix.empty()) prefix += '/';
        prefix += segment;
    }
    if (prefix == "-" || prefix.starts_with("-/"))
        return unexpected(std::string("what is below /-/ is the server's own and always open"));
    return prefix;
}

bool covers(std::string_view prefix, std::string_view path) {
    return path.starts_with(prefix) &&
           (prefix.empty() || path.size() == prefix.size() || path[prefix.size()] == '/');
}

struct PathTable {
    std::string prefix;
    const RuleTable* table;
};

Result<std::vector<PathTable>, UsageError> path_tables(const RuleTables& tables) {
    std::vector<PathTable> paths;
    std::map<std::string, std::string> places;
    for (const RuleTable& table : tables) {
        if (table.kind != "path") continue;
        const RuleEntry* const entry = entry_of(table, "prefix");
        if (!entry)
            return unexpected(UsageError{
                fmt::format("{}: [[path]] wants a prefix, such as \"/private/\"", table.place)});
        auto prefix = prefix_of(entry->value);
        if (!prefix) return unexpected(wrong(*entry, prefix.error()));
        const auto [at, is_new] = places.emplace(*prefix, entry->place);
        if (!is_new)
            return unexpected(wrong(
                *entry, fmt::format("the prefix of another [[path]] too, at {}", at->second)));
        paths.push_back({*std::move(prefix), &table});
    }
    // What is inherited comes first.
    std::ranges::stable_sort(paths, {}, [](const PathTable& p) { return p.prefix.size(); });
    return paths;
}

Result<std::vector<PathRule>, UsageError> make_paths(const RuleTables& tables,
                                                     const Options& options) {
    const auto sorted = path_tables(tables);
    if (!sorted) return unexpected(sorted.error());
    std::vector<PathRule> rules;
    for (const PathTable& each : *sorted) {
        PathRule rule{
            .prefix = each.prefix, .place = each.table->place, .settings = root_settings(options)};
        const auto parent = std::find_if(rules.rbegin(), rules.rend(), [&](const PathRule& other) {
            return covers(other.prefix, rule.prefix);
        });
        if (parent != rules.rend()) rule.settings = parent->settings;
        for (const RuleEntry& entry : each.table->entries) {
            if (entry.key == "prefix") continue;
            const auto key = std::ranges::find(kPathKeys, entry.key, &PathKey::name);
            if (key == std::end(kPathKeys))
                return unexpected(
                    unknown_key(entry, std::span<const PathKey>(kPathKeys), {"prefix"}));
            if (Stored stored = key->store(rule.settings, entry.value); !stored)
                return unexpected(wrong(entry, stored.error()));
        }
        rules.push_back(std::move(rule));
    }
    return rules;
}

// Tables that are people, or what they carry.
template <class Value, class Key>
Result<std::vector<Value>, UsageError> make_named(const RuleTables& tables, std::string_view kind,
                                                  std::span<const Key> keys,
                                                  std::initializer_list<std::string_view> needed) {
    std::vector<Value> values;
    std::map<std::string, std::string> places;
    for (const RuleTable& table : tables) {
        if (table.kind != kind) continue;
        Value value{};
        value.place = table.place;
        for (const RuleEntry& entry : table.entries) {
            const auto key = std::ranges::find(keys, entry.key, &Key::name);
            if (key == keys.end()) return unexpected(unknown_key(entry, keys));
            if (Stored stored = key->store(value, entry.value); !stored)
                return unexpected(wrong(entry, stored.error()));
        }
        for (const std::string_view name : needed) {
            if (!entry_of(table, name))
                return unexpected(
                    UsageError{fmt::format("{}: [[{}]] wants a {}", table.place, kind, name)});
        }
        const auto [at, is_new] = places.emplace(value.name, table.place);
        if (!is_new)
            return unexpected(
                wrong(*entry_of(table, "name"),
                      fmt::format("the name of another [[{}]] too, at {}", kind, at->second)));
        values.push_back(std::move(value));
    }
    return values;
}

std::string toml_text(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
            fmt::format_to(std::back_inserter(out), "\\u{:04X}", static_cast<unsigned char>(c));
        else
            out += c;
    }
    return out + '"';
}

bool is_bare_key(std::string_view key) {
    return !key.empty() && std::ranges::all_of(key, [](char c) {
        return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '_';
    });
}

std::string toml_value(const RuleValue& value) {
    std::vector<std::string> parts;
    switch (value.form) {
    case Form::text: return toml_text(value.texts.front());
    case Form::list:
        for (const std::string& text : value.texts) parts.push_back(toml_text(text));
        return fmt::format("[{}]", join(parts, ", "));
    case Form::pairs:
        for (const auto& [name, text] : value.pairs)
            parts.push_back(fmt::format("{} = {}", is_bare_key(name) ? name : toml_text(name),
                                        toml_text(text)));
        return fmt::format("{{ {} }}", join(parts, ", "));
    case Form::other: break;
    }
    return "\"\"";
}

// Hashes of passwords can be tried out by whoever has them, those of tokens hardly.
bool is_secret(std::string_view kind, std::string_view key) {
    return kind == "login" && key == "password";
}

} // namespace

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

bool Rules::name_certificates() const {
    const auto is_certificate = [](const Principal& p) {
        return p.kind == Principal::Kind::certificate;
    };
    return std::ranges::any_of(paths, [&](const PathRule& rule) {
        return std::ranges::any_of(rule.settings.allow, is_certificate) ||
               std::ranges::any_of(rule.settings.require, is_certificate);
    });
}

bool Rules::have_rates() const {
    return std::ranges::any_of(paths, [](const PathRule& r) { return r.settings.rate > 0; });
}

bool is_rule_table(std::string_view key) {
    return key == "path" || key == "login" || key == "token";
}

PathSettings root_settings(const Options& options) {
    PathSettings settings;
    settings.index = options.index;
    settings.listing = options.listing;
    settings.hidden = options.hidden;
    settings.compress = options.compress == Compression::automatic;
    settings.symlinks = options.symlinks;
    return settings;
}

Result<Rules, UsageError> make_rules(const RuleTables& tables, const Options& options) {
    if (tables.size() > kMostTables)
        return unexpected(UsageError{
            fmt::format("{}: more than {} tables", tables[kMostTables].place, kMostTables)});
    auto paths = make_paths(tables, options);
    if (!paths) return unexpected(paths.error());
    auto logins = make_named<Login>(tables, "login", std::span<const LoginKey>(kLoginKeys),
                                    {"name", "password"});
    if (!logins) return unexpected(logins.error());
    auto tokens = make_named<Token>(tables, "token", std::span<const TokenKey>(kTokenKeys),
                                    {"name", "sha256"});
    if (!tokens) return unexpected(tokens.error());
    return Rules{
        .paths = *std::move(paths), .logins = *std::move(logins), .tokens = *std::move(tokens)};
}

std::string dump_rules(const RuleTables& tables) {
    std::string out;
    for (const RuleTable& table : tables) {
        fmt::format_to(std::back_inserter(out), "\n[[{}]]  # {}\n", table.kind, table.place);
        for (const RuleEntry& entry : table.entries) {
            if (is_secret(table.kind, entry.key))
                fmt::format_to(std::back_inserter(out), "# {} is not shown\n", entry.key);
            else
                fmt::format_to(std::back_inserter(out), "{} = {}\n", entry.key,
                               toml_value(entry.value));
        }
    }
    return out;
}

Result<void, UsageError> check_names(const Rules& rules, const HasName& user,
                                     const HasName& group) {
    std::set<std::string_view> users, groups;
    for (const Login& login : rules.logins) {
        users.insert(login.name);
        groups.insert(login.groups.begin(), login.groups.end());
    }
    for (const Token& token : rules.tokens) {
        users.insert(token.name);
        groups.insert(token.groups.begin(), token.groups.end());
    }
    const auto is_known = [&](const Principal& p) {
        if (p.kind == Principal::Kind::user) return users.contains(p.name) || user(p.name);
        if (p.kind == Principal::Kind::group) return groups.contains(p.name) || group(p.name);
        return true;
    };
    for (const PathRule& rule : rules.paths) {
        for (const auto* list : {&rule.settings.allow, &rule.settings.require}) {
            const auto unknown = std::ranges::find_if_not(*list, is_known);
            if (unknown == list->end()) continue;
            const bool is_user = unknown->kind == Principal::Kind::user;
            return unexpected(UsageError{
                fmt::format("{}: [[path]]: nobody is {} {}: there is no [[login]] or [[token]] {}",
                            rule.place, is_user ? "the user" : "in the group",
                            quoted_value(unknown->name), is_user ? "of that name" : "with it")});
        }
    }
    return {};
}

} // namespace fsrv
