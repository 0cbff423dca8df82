#include "common/option_text.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace fsrv {
namespace {

constexpr std::string_view kUsage =
    "Usage: fsrv [OPTIONS] [DIR]     serves the files of a folder over HTTP\n";

constexpr std::string_view kClosing =
    "Sizes: 65536, 64KiB, 1M; times: 500ms, 10s, 5m, 1h. Each is also a variable\n"
    "(FSRV_PORT=80) and a key of the file (port = 80): flags win, then variables.\n";

constexpr std::size_t kWidth = 79; // a terminal of 80 columns breaks no line
constexpr std::size_t kMeaningColumn = 28;

// The few heads that reach into the column of the meanings keep two spaces from theirs.
std::string help_entry(std::string_view name, std::string_view metavar, std::string_view meaning,
                       std::string_view fallback) {
    std::string line = fmt::format("  --{} {}", name, metavar);
    line.resize(std::max(line.size() + 2, kMeaningColumn), ' ');
    std::string text(meaning);
    if (!fallback.empty()) text += fmt::format(" [{}]", fallback);
    std::string out;
    const auto end_line = [&] {
        line.resize(line.find_last_not_of(' ') + 1);
        out += std::exchange(line, std::string(kMeaningColumn, ' ')) + '\n';
    };
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find(' ', at), text.size());
        if (line.size() + (end - at) > kWidth) end_line();
        line.append(text, at, end - at);
        line += ' ';
        at = end + 1;
    }
    end_line();
    return out;
}

} // namespace

std::string help_text(bool all) {
    std::string out(kUsage);
    std::string_view group;
    for (const OptionSpec& option : option_table()) {
        if (option.is_seldom && !all) continue;
        if (option.group != group) out += fmt::format("{}\n", group = option.group);
        out += help_entry(option.name, option.metavar, option.meaning, option.fallback);
    }
    out += "Besides\n";
    for (const CommandSpec& command : command_table())
        if (command.part_of.empty())
            out += help_entry(command.name, command.metavar, command.meaning, "");
    out += kClosing;
    if (all) return out;
    const auto left_out = std::ranges::count_if(option_table(), &OptionSpec::is_seldom);
    return out + fmt::format("These are not all options: --help-all has {} more.\n", left_out);
}

std::string version_text() {
    return "fsrv " FSRV_VERSION "\n";
}

std::string dump_text(const Options& options, const Settings& chosen) {
    std::string out;
    std::string_view group;
    for (const Setting& setting : chosen) {
        const OptionSpec& option = *setting.option;
        if (option.group != group)
            out += fmt::format("{}# {}\n", out.empty() ? "" : "\n", group = option.group);
        out += fmt::format("{} = {}", option.name, option.to_toml(options, setting.texts));
        if (setting.source != Source::fallback) out += fmt::format("  # {}", setting.place);
        out += '\n';
    }
    return out;
}

} // namespace fsrv
