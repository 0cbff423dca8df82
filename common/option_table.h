// options.def as data: one OptionSpec an option, in the order of the table. Everything that speaks
// of options (the three sources, --help, --dump-config, the manual, the completion) walks this.
#pragma once

#include "common/options.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fsrv {

// What a source says of one option, as text; one element unless it is a list.
using OptionTexts = std::vector<std::string>;

struct OptionSpec {
    std::string_view name;
    std::string_view metavar; // "N", or alternatives: "N|auto"; words in lower case are literal
    std::string_view fallback;
    std::string_view meaning;
    std::string_view group;
    bool is_seldom = false; // --help leaves it out
    bool is_list = false;
    bool takes_fraction = false; // a file may write it as a number

    // What the option takes: "a number from 0 to 65535". Reads well after "expected".
    std::string (*expected)();
    // Stores the value that `texts` stand for, or returns false and leaves the options as they
    // were.
    bool (*store)(Options& options, const OptionTexts& texts);
    // The stored value as TOML. `texts` are what it was stored from: a size or a time is written as
    // its author wrote it.
    std::string (*to_toml)(const Options& options, const OptionTexts& texts);
};

std::span<const OptionSpec> option_table();

std::string flag_name(std::string_view name);     // --header-timeout
std::string variable_name(std::string_view name); // FSRV_HEADER_TIMEOUT

// The options that are no settings: flags only, but for --config, which is a variable as well.
struct CommandSpec {
    std::string_view name;
    std::string_view metavar; // empty: takes no value
    std::string_view meaning;
    std::string_view part_of =
        {}; // a term of that command: only the manual and the completion name it
};
std::span<const CommandSpec> command_table();

} // namespace fsrv
