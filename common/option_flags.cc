// The command line, split by CLI11. Values are judged elsewhere.
#include "common/option_sources.h"

#include <algorithm>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

namespace fsrv {
namespace {

CLI::Option* add_valued(CLI::App& app, const std::string& name) {
    // Any number of times, one value each: which of them counts is decided by the option's type.
    return app.add_option(name)->expected(1)->allow_extra_args(false)->multi_option_policy(
        CLI::MultiOptionPolicy::TakeAll);
}

// The parser of one command line, and the names of its parts.
struct Parser {
    CLI::App app;
    std::vector<CLI::Option*> options; // as in option_table()
    CLI::Option* folder = nullptr;
    CLI::Option* config = nullptr;
    CLI::Option* ctl = nullptr;
    CLI::Option* sign = nullptr;
    std::vector<std::pair<std::string_view, CLI::Option*>> link; // terms of --sign
    CLI::Option* hash_password = nullptr;
    CLI::Option* check = nullptr;
    CLI::Option* dump_config = nullptr;
    CLI::Option* version = nullptr;
    CLI::Option* help = nullptr;
    CLI::Option* help_all = nullptr;

    Parser() {
        app.set_help_flag();
        app.allow_extras();
        for (const OptionSpec& option : option_table())
            options.push_back(add_valued(app, flag_name(option.name)));
        folder = app.add_option("DIR")->expected(1)->allow_extra_args(false);
        config = add_valued(app, "--config");
        ctl = add_valued(app, "--ctl");
        sign = add_valued(app, "--sign");
        for (const CommandSpec& command : command_table()) {
            if (command.part_of != "sign") continue;
            const std::string flag = flag_name(command.name);
            link.emplace_back(command.name,
                              command.metavar.empty() ? app.add_flag(flag) : add_valued(app, flag));
        }
        hash_password = app.add_flag("--hash-password");
        check = app.add_flag("--check");
        dump_config = app.add_flag("--dump-config");
        version = app.add_flag("--version");
        help = app.add_flag("-h,--help");
        help_all = app.add_flag("--help-all");
    }

    // Those that are checked for a value that they do not take.
    std::vector<const CLI::Option*> flags() const {
        std::vector<const CLI::Option*> all{check, dump_config, hash_password};
        for (const auto& [name, option] : link)
            if (option->get_items_expected() == 0) all.push_back(option);
        return all;
    }
};

bool takes_value(std::string_view flag) {
    const auto is_flag = [flag](const auto& o) { return flag_name(o.name) == flag; };
    const auto command = std::ranges::find_if(command_table(), is_flag);
    return std::ranges::any_of(option_table(), is_flag) ||
           (command != command_table().end() && !command->metavar.empty());
}

// --flag=value in two, because CLI11 takes "--flag=" for a flag whose value comes next.
std::vector<std::string> split_at_equals(int argc, const char* const* argv) {
    std::vector<std::string> arguments;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        const std::size_t equals = std::min(argument.find('='), argument.size());
        const std::string flag = argument.substr(0, equals);
        if (argument == "--") {
            arguments.insert(arguments.end(), argv + i, argv + argc);
            break;
        }
        arguments.push_back(takes_value(flag) ? flag : argument);
        if (!takes_value(flag)) continue;
        if (equals < argument.size())
            arguments.push_back(argument.substr(equals + 1));
        else if (i + 1 < argc)
            arguments.emplace_back(argv[++i]);
    }
    return arguments;
}

// CLI11 throws, here and nowhere else. All it has left to complain of is a last flag without its
// value.
std::optional<UsageError> parse(CLI::App& app, std::vector<std::string> arguments) {
    const std::string last = arguments.empty() ? "" : arguments.back();
    std::ranges::reverse(arguments);
    try {
        app.parse(std::move(arguments));
        return std::nullopt;
    } catch (const CLI::ArgumentMismatch&) {
        return UsageError{fmt::format("{}: expected a value after it", last)};
    } catch (const CLI::ParseError& error) {
        return UsageError{printable(error.what())};
    }
}

// What no option and no folder took.
std::vector<std::string> extras_of(const CLI::App& app) {
    std::vector<std::string> extras = app.remaining();
    if (const auto mark = std::ranges::find(extras, "--"); mark != extras.end()) extras.erase(mark);
    return extras;
}

UsageError unexpected_argument(const std::string& argument) {
    const std::string name = argument.substr(0, argument.find('='));
    std::vector<std::string> known;
    for (const OptionSpec& option : option_table()) known.push_back(flag_name(option.name));
    for (const CommandSpec& command : command_table()) known.push_back(flag_name(command.name));
    // What is known, and was not taken, stood behind "--".
    if (!name.starts_with("-") || std::ranges::find(known, name) != known.end()) {
        return UsageError{
            fmt::format("{}: expected no more than one folder", quoted_value(argument))};
    }
    return unknown_name(shortened(name), "option", name, known);
}

// "DIR" and --root say the same thing, so saying two different things is a mistake.
std::optional<UsageError> check_folder(const Parser& parser, const Settings& settings) {
    if (parser.folder->count() == 0) return std::nullopt;
    const std::string& folder = parser.folder->results().front();
    for (const Setting& setting : settings) {
        if (setting.option->name == "root" && setting.texts.front() != folder) {
            return UsageError{
                fmt::format("--root: expected the same folder as the argument {}, not {}",
                            quoted_value(folder), quoted_value(setting.texts.front()))};
        }
    }
    return std::nullopt;
}

} // namespace

Result<CommandLine, UsageError> read_command_line(int argc, const char* const* argv) {
    Parser parser;
    const auto trouble = parse(parser.app, split_at_equals(argc, argv));
    CommandLine line;
    line.help = parser.help->count() > 0;
    line.help_all = parser.help_all->count() > 0;
    line.version = parser.version->count() > 0;
    if (line.help || line.help_all || line.version) return line;
    if (trouble) return unexpected(*trouble);
    if (const auto extras = extras_of(parser.app); !extras.empty())
        return unexpected(unexpected_argument(extras.front()));
    for (const CLI::Option* flag : parser.flags()) {
        if (flag->count() > 0 && flag->results().front() != "true")
            return unexpected(UsageError{fmt::format("{}: expected no value", flag->get_name())});
    }

    const auto table = option_table();
    for (std::size_t i = 0; i < table.size(); ++i) {
        OptionTexts texts = parser.options[i]->results();
        if (texts.empty()) continue;
        if (!table[i].is_list) texts = {texts.back()};
        line.settings.push_back({&table[i], Source::flag, flag_name(table[i].name), texts});
    }
    for (const auto& [name, option] : parser.link) {
        if (option->count() == 0) continue;
        if (parser.sign->count() == 0)
            return unexpected(
                UsageError{fmt::format("--{}: is of a link: wants --sign URL", name)});
        line.link[name] = option->results().back();
    }
    if (parser.sign->count() > 0) line.sign = parser.sign->results().back();
    if (parser.hash_password->count() > 0) {
        line.hash_password = parser.folder->count() > 0 ? parser.folder->results().front() : "";
    } else if (parser.ctl->count() > 0) {
        line.ctl = parser.ctl->results().back();
        if (parser.folder->count() > 0) *line.ctl += " " + parser.folder->results().front();
    } else {
        if (const auto error = check_folder(parser, line.settings)) return unexpected(*error);
        if (parser.folder->count() > 0)
            line.settings.push_back({&table[0], Source::flag, "DIR", parser.folder->results()});
    }
    if (parser.config->count() > 0)
        line.config = ConfigPath{"--config", parser.config->results().back()};
    line.check = parser.check->count() > 0;
    line.dump_config = parser.dump_config->count() > 0;
    return line;
}

} // namespace fsrv
