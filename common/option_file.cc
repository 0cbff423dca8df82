// The configuration file: TOML, read by toml++ without exceptions.
#include "common/option_sources.h"

#include "common/toml_guard.h"
#include "common/unique_fd.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

// toml++ 3.3 asserts, or with NDEBUG promises the compiler, what a file can break, such as "[=".
// The error that it would go on to report is right, so it is made to go on.
#undef NDEBUG
#define TOML_ASSERT(condition) static_assert(true)
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
// Likewise for letters beyond ASCII outside of strings: they are in none of its classes of
// characters.
#include <toml++/impl/forward_declarations.h>
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE                                                                           \
    return {}
#include <toml++/impl/unicode.h>
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE __builtin_unreachable()
#include <toml++/toml.h>

namespace fsrv {
namespace {

constexpr std::size_t kMaxFile = 1024 * 1024; // bytes; every option spelt out takes 2 KiB

// Booleans and integers become what a user would have typed, fractions where the option takes one.
// Other values are no option's.
std::optional<std::string> scalar_text(const toml::node& node, bool takes_fraction = false) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
    if (const auto* number = node.as_floating_point(); number != nullptr && takes_fraction)
        return fmt::format("{}", number->get());
    if (const auto* flag = node.as_boolean()) return flag->get() ? "on" : "off";
    return std::nullopt;
}

// Or of which kind it is what no option takes.
Result<OptionTexts, toml::node_type> texts_of(const toml::node& node, const OptionSpec& option) {
    const auto* array = node.as_array();
    if (array == nullptr) {
        const auto text = scalar_text(node, option.takes_fraction);
        if (!text) return unexpected(node.type());
        return option.is_list ? split_list(*text) : OptionTexts{*text};
    }
    if (!option.is_list) return unexpected(node.type());
    OptionTexts texts;
    for (const toml::node& element : *array) {
        auto text = scalar_text(element);
        if (!text) return unexpected(element.type());
        texts.push_back(std::move(*text));
    }
    return texts;
}

std::string_view kind_name(toml::node_type type) {
    switch (type) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "an array";
    case toml::node_type::floating_point: return "a fraction";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time: return "a date or time of day";
    default: return "a value";
    }
}

struct Entry {
    std::string_view key;
    const toml::node* value;
    std::uint32_t line;
};

// In the order of the file, so that the first mistake is the one reported.
std::vector<Entry> entries_by_line(const toml::table& table) {
    std::vector<Entry> entries;
    for (const auto& [key, node] : table)
        entries.push_back({key.str(), &node, key.source().begin.line});
    std::ranges::stable_sort(entries, {}, &Entry::line);
    return entries;
}

RuleValue rule_value(const toml::node& node) {
    RuleValue value;
    if (const auto text = scalar_text(node)) {
        value.form = RuleValue::Form::text;
        value.texts.push_back(*text);
    } else if (const auto* array = node.as_array()) {
        value.form = RuleValue::Form::list;
        for (const toml::node& element : *array) {
            auto text_of = scalar_text(element);
            if (!text_of) return {};
            value.texts.push_back(*std::move(text_of));
        }
    } else if (const auto* table = node.as_table()) {
        value.form = RuleValue::Form::pairs;
        for (const auto& [key, element] : *table) {
            auto text_of = scalar_text(element);
            if (!text_of) return {};
            value.pairs.emplace_back(key.str(), *std::move(text_of));
        }
    }
    return value;
}

// The tables of one [[key]].
std::optional<UsageError> add_tables(RuleTables& tables, const Entry& entry,
                                     std::string_view file_name) {
    const auto* const array = entry.value->as_array();
    const bool are_tables =
        array != nullptr && std::ranges::all_of(*array, [](const auto& n) { return n.is_table(); });
    if (!are_tables) {
        return UsageError{fmt::format("{0}:{1}: {2}: expected a table, as [[{2}]]", file_name,
                                      entry.line, entry.key)};
    }
    for (const toml::node& node : *array) {
        RuleTable table{.kind = std::string(entry.key),
                        .place = fmt::format("{}:{}", file_name, node.source().begin.line),
                        .entries = {}};
        for (const Entry& each : entries_by_line(*node.as_table())) {
            table.entries.push_back({.key = std::string(each.key),
                                     .place = fmt::format("{}:{}", file_name, each.line),
                                     .value = rule_value(*each.value)});
        }
        tables.push_back(std::move(table));
    }
    return std::nullopt;
}

Result<Setting, UsageError> setting_of(const Entry& entry, std::string_view file_name) {
    const std::string place = fmt::format("{}:{}", file_name, entry.line);
    const auto table = option_table();
    const auto option = std::ranges::find(table, entry.key, &OptionSpec::name);
    if (option == table.end()) {
        std::vector<std::string> known;
        for (const OptionSpec& o : table) known.emplace_back(o.name);
        return unexpected(unknown_name(fmt::format("{}: {}", place, quoted_value(entry.key)), "key",
                                       entry.key, known));
    }
    Setting setting{&*option, Source::file, place, {}};
    auto texts = texts_of(*entry.value, *option);
    if (!texts) {
        return unexpected(UsageError{fmt::format("{}: expected {}, not {}", place_of(setting),
                                                 option->expected(), kind_name(texts.error()))});
    }
    setting.texts = std::move(*texts);
    return setting;
}

Result<std::string, std::string> read_small_file(const std::string& path) {
    // A FIFO must not block here, a terminal not become ours.
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd) return unexpected(errno_text(errno));
    struct stat st {};
    if (fstat(fd.get(), &st) != 0) return unexpected(errno_text(errno));
    if (!S_ISREG(st.st_mode)) return unexpected(std::string("not a regular file"));

    std::string content(kMaxFile + 1, '\0');
    std::size_t size = 0;
    while (size < content.size()) {
        const ssize_t n = read(fd.get(), content.data() + size, content.size() - size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return unexpected(errno_text(errno));
        if (n == 0) break;
        size += static_cast<std::size_t>(n);
    }
    if (size > kMaxFile) return unexpected(std::string("larger than 1 MiB"));
    content.resize(size);
    return content;
}

} // namespace

Result<ConfigText, UsageError> read_config_text(std::string_view toml_text,
                                                std::string_view file_name) {
    const std::string name = printable(file_name);
    if (const auto line = line_of_too_many_dots(toml_text))
        return unexpected(UsageError{fmt::format("{}:{}: too many dotted keys", name, *line)});
    const toml::parse_result parsed = toml::parse(toml_text);
    if (!parsed) {
        const toml::parse_error& error = parsed.error();
        return unexpected(UsageError{fmt::format("{}:{}: {}", name, error.source().begin.line,
                                                 printable(error.description()))});
    }
    ConfigText text;
    for (const Entry& entry : entries_by_line(parsed.table())) {
        if (is_rule_table(entry.key)) {
            if (auto error = add_tables(text.tables, entry, name)) return unexpected(*error);
            continue;
        }
        auto setting = setting_of(entry, name);
        if (!setting) return unexpected(setting.error());
        text.settings.push_back(std::move(*setting));
    }
    return text;
}

Result<std::string, UsageError> read_config_bytes(const ConfigPath& config) {
    auto content = read_small_file(config.path);
    if (!content) {
        return unexpected(UsageError{
            fmt::format("{}: {}: {}", config.place, quoted_value(config.path), content.error())});
    }
    return std::move(*content);
}

} // namespace fsrv
