// The three places that options come from besides the defaults: each is read into a list of
// settings, as text, unjudged but for names that do not exist.
#pragma once

#include "common/option_table.h"
#include "common/rules.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv {

// Later ones win.
enum class Source { fallback, file, variable, flag };

struct Setting {
    const OptionSpec* option = nullptr;
    Source source{};
    std::string place; // "--port", "FSRV_PORT", "fsrv.toml:3"
    OptionTexts texts;
};
using Settings = std::vector<Setting>;

// What a message begins with: "--port", "FSRV_PORT", "fsrv.toml:3: port".
std::string place_of(const Setting& setting);

// Where a configuration file was asked for.
struct ConfigPath {
    std::string place; // "--config" or "FSRV_CONFIG"
    std::string path;
};

struct CommandLine {
    bool help = false;
    bool help_all = false; // more than `help`
    bool version = false;
    bool check = false;
    bool dump_config = false;
    std::optional<std::string> ctl;           // "reload", "workers 3"
    std::optional<std::string> hash_password; // the user's name, or ""
    std::optional<std::string> sign;          // a URL
    LinkTexts link;                           // of sign; unjudged
    std::optional<ConfigPath> config;
    Settings settings;
};
// With --ctl and --hash-password the argument beside the options belongs to the command, and is no
// folder.
// Touches no file. With --help or --version everything else is left unread.
Result<CommandLine, UsageError> read_command_line(int argc, const char* const* argv);

struct Environment {
    std::optional<ConfigPath> config;
    Settings settings;
    std::vector<std::string> warnings; // of what is passed over: a line each
};
// Variables that Kubernetes, Docker or an image set are passed over; any other unknown name is an
// error.
Result<Environment, UsageError> read_environment(const char* const* environment);

Result<std::string, UsageError> read_config_bytes(const ConfigPath& config);
struct ConfigText {
    Settings settings;
    RuleTables tables;
};
Result<ConfigText, UsageError> read_config_text(std::string_view toml, std::string_view file_name);

// parse_invocation(), with the content of the file from elsewhere.
using ConfigReader = std::function<Result<std::string, UsageError>(const ConfigPath& config)>;
Result<Invocation, UsageError> parse_invocation_with(int argc, const char* const* argv,
                                                     const char* const* environment,
                                                     const ConfigReader& read);

// "--prot: no such option; did you mean --port?" `name` is what is compared with the known ones.
UsageError unknown_name(std::string_view place, std::string_view what, std::string_view name,
                        const std::vector<std::string>& known);

// Printable, and cut when it is very long.
std::string shortened(std::string_view text);
std::string quoted_value(std::string_view text); // likewise, in quotes

// "127.0.0.1,::1" as a list; nothing is an empty list.
OptionTexts split_list(std::string_view text);

} // namespace fsrv
