#include "common/option_text.h"

#include <fmt/format.h>

namespace fsrv {
namespace {

constexpr std::string_view kUsage =
    "Usage: fsrv [OPTIONS] [DIR]\n"
    "Serves the files of a folder over HTTP to those who download them.\n";

constexpr std::string_view kClosing =
    "Sizes are written 65536, 64KiB or 1M, times 500ms, 10s, 5m or 1h.\n"
    "Every option is also a variable (FSRV_PORT=80) and a key of the file (port = 80).\n"
    "A flag beats a variable, a variable the file.\n"
    "\n"
    "Examples:\n"
    "  fsrv --port 8000 ~/Downloads                 share a folder with the network\n"
    "  fsrv --config /etc/fsrv.toml --check         is this file good?\n";

constexpr std::size_t kMeaningColumn = 36;

std::string help_line(std::string_view name, std::string_view metavar, std::string_view meaning,
                      std::string_view fallback) {
    const std::string head = fmt::format("  --{} {}", name, metavar);
    const std::string tail = fallback.empty() ? "" : fmt::format(" [{}]", fallback);
    return fmt::format("{:<{}}{}{}\n", head, kMeaningColumn, meaning, tail);
}

} // namespace

std::string help_text() {
    std::string out(kUsage);
    std::string_view group;
    for (const OptionSpec& option : option_table()) {
        if (option.group != group) out += fmt::format("\n{}\n", group = option.group);
        out += help_line(option.name, option.metavar, option.meaning, option.fallback);
    }
    out += "\nBesides\n";
    for (const CommandSpec& command : command_table())
        out += help_line(command.name, command.metavar, command.meaning, "");
    return out.append("\n").append(kClosing);
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
