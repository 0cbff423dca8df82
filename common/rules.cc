#include "common/rules.h"

#include "common/ascii.h"
#include "common/escape.h"
#include "common/join.h"
#include "common/option_sources.h"
#include "common/options.h"
#include "common/rule_keys.h"
#include "common/toml_string.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <span>

namespace fsrv {
namespace {

using Form = RuleValue::Form;

constexpr std::size_t kMostTables = 10'000; // of a kind
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

// Empty: what it says goes together.
std::string_view why_no_permissions(const PathSettings& settings) {
    const bool for_all = std::ranges::any_of(settings.allow, [](const Principal& principal) {
        return principal.kind == Principal::Kind::all;
    });
    if (settings.permissions == Permissions::user && for_all)
        return "permissions = \"user\" with allow = [\"all\"]: who has not logged in has no "
               "account; "
               "allow = [\"users\"] lets in all who have";
    if (settings.permissions == Permissions::world && settings.symlinks == Symlinks::follow)
        return "permissions = \"world\" with symlinks = \"follow\": it is judged below the root "
               "only; "
               "symlinks = \"inside\" stays there";
    return {};
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
            const auto key = std::ranges::find(path_keys(), entry.key, &PathKey::name);
            if (key == path_keys().end())
                return unexpected(unknown_key(entry, path_keys(), {"prefix"}));
            if (Stored stored = key->store(rule.settings, entry.value); !stored)
                return unexpected(wrong(entry, stored.error()));
        }
        if (const std::string_view why = why_no_permissions(rule.settings); !why.empty())
            return unexpected(UsageError{fmt::format("{}: [[path]]: {}", rule.place, why)});
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

bool is_bare_key(std::string_view key) {
    return !key.empty() && std::ranges::all_of(key, [](char c) {
        return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '_';
    });
}

std::string toml_value(const RuleValue& value) {
    std::vector<std::string> parts;
    switch (value.form) {
    case Form::text: return toml_string(value.texts.front());
    case Form::list:
        for (const std::string& text : value.texts) parts.push_back(toml_string(text));
        return fmt::format("[{}]", join(parts, ", "));
    case Form::pairs:
        for (const auto& [name, text] : value.pairs)
            parts.push_back(fmt::format("{} = {}", is_bare_key(name) ? name : toml_string(name),
                                        toml_string(text)));
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

bool Rules::want_accounts() const {
    return std::ranges::any_of(
        paths, [](const PathRule& r) { return r.settings.permissions == Permissions::user; });
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
    settings.precompressed = options.precompressed;
    settings.symlinks = options.symlinks;
    return settings;
}

Result<Rules, UsageError> make_rules(const RuleTables& tables, const Options& options) {
    if (tables.size() > kMostTables)
        return unexpected(UsageError{
            fmt::format("{}: more than {} tables", tables[kMostTables].place, kMostTables)});
    auto paths = make_paths(tables, options);
    if (!paths) return unexpected(paths.error());
    auto logins = make_named<Login>(tables, "login", login_keys(), {"name", "password"});
    if (!logins) return unexpected(logins.error());
    auto tokens = make_named<Token>(tables, "token", token_keys(), {"name", "sha256"});
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
