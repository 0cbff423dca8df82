// What the program says of its options.
#include "common/option_table.h"
#include "common/options.h"
#include "tests/common/invocation.h"
#include "tests/support/files.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>
#include <sstream>

namespace fsrv {
namespace {

using test::invoke;
using test::refusal;
using namespace std::string_literals;

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

TEST(OptionTable, EveryOptionStandsOnceAndIsComplete) {
    std::set<std::string_view> names;
    for (const OptionSpec& option : option_table()) {
        EXPECT_TRUE(names.insert(option.name).second) << option.name;
        EXPECT_FALSE(option.group.empty()) << option.name;
        EXPECT_FALSE(option.metavar.empty()) << option.name;
        EXPECT_FALSE(option.meaning.empty()) << option.name;
        EXPECT_FALSE(option.expected().empty()) << option.name;
    }
    for (const CommandSpec& command : command_table())
        EXPECT_TRUE(names.insert(command.name).second);
    EXPECT_EQ(option_table().front().name, "root");
}

TEST(OptionTable, NamesFollowFromOneAnother) {
    EXPECT_EQ(flag_name("header-timeout"), "--header-timeout");
    EXPECT_EQ(variable_name("header-timeout"), "FSRV_HEADER_TIMEOUT");
}

constexpr std::size_t kMeaningColumn = 28;

// The lines, with those that go on in the column of the meanings joined to the ones before.
std::vector<std::string> entries_of(const std::string& help) {
    std::vector<std::string> entries;
    for (const std::string& line : lines_of(help)) {
        const std::size_t indent = line.find_first_not_of(' ');
        if (!entries.empty() && indent == kMeaningColumn)
            entries.back() += ' ' + line.substr(indent);
        else
            entries.push_back(line);
    }
    return entries;
}

TEST(Help, FitsOnAScreen) {
    EXPECT_LE(lines_of(invoke({"--help"})->output).size(), 60U);
    for (const char* flag : {"--help", "--help-all"}) {
        for (const std::string& line : lines_of(invoke({flag})->output)) {
            EXPECT_LT(line.size(), 80U) << line;
            EXPECT_FALSE(line.ends_with(' ')) << line;
        }
    }
}

TEST(Help, LeavesOutWhatIsWantedSeldomAndSaysSo) {
    const std::string help = invoke({"--help"})->output;
    std::size_t left_out = 0;
    for (const OptionSpec& option : option_table()) {
        const std::string entry = fmt::format("\n  --{} ", option.name);
        EXPECT_EQ(help.find(entry) == std::string::npos, option.is_seldom) << option.name;
        left_out += option.is_seldom ? 1 : 0;
    }
    EXPECT_TRUE(help.ends_with(fmt::format("--help-all has {} more.\n", left_out))) << help;
}

TEST(Help, TellsOfEveryOptionInOneColumn) {
    const auto entries = entries_of(invoke({"--help-all"})->output);
    const auto expect_entry = [&](const auto& spec, std::string_view fallback) {
        const std::string head = fmt::format("  --{} {}", spec.name, spec.metavar);
        const auto entry = std::ranges::find_if(
            entries, [&](const std::string& e) { return e.starts_with(head + ' '); });
        ASSERT_NE(entry, entries.end()) << head;
        const std::size_t column = std::max(head.size() + 2, kMeaningColumn);
        EXPECT_EQ(entry->substr(head.size(), column - head.size()),
                  std::string(column - head.size(), ' '));
        EXPECT_EQ(entry->substr(column), fallback.empty()
                                             ? std::string(spec.meaning)
                                             : fmt::format("{} [{}]", spec.meaning, fallback));
    };
    for (const OptionSpec& option : option_table()) expect_entry(option, option.fallback);
    for (const CommandSpec& command : command_table())
        if (command.part_of.empty()) expect_entry(command, "");
}

TEST(Help, NamesGroups) {
    const std::string help = invoke({"--help"})->output;
    for (const OptionSpec& option : option_table())
        EXPECT_NE(help.find(fmt::format("\n{}\n", option.group)), std::string::npos);
}

TEST(DumpConfig, NamesEveryOptionAndGroup) {
    const std::string dump = invoke({"--dump-config"})->output;
    for (const OptionSpec& option : option_table()) {
        EXPECT_NE(dump.find(fmt::format("\n{} = ", option.name)), std::string::npos) << option.name;
        EXPECT_NE(dump.find(fmt::format("# {}\n", option.group)), std::string::npos);
    }
}

TEST(DumpConfig, SaysWhereAValueIsFrom) {
    const test::TempDir dir;
    test::write_file(dir / "f.toml", "\nmax-ranges = 7\n");
    const std::string file = dir / "f.toml";
    const std::string dump =
        invoke({"--dump-config", "--config", file, "--port", "80", "/srv"}, {"FSRV_THREADS=2"})
            ->output;
    for (const std::string& line :
         {"\nroot = \"/srv\"  # DIR\n"s, "\nport = 80  # --port\n"s,
          "\nthreads = 2  # FSRV_THREADS\n"s, fmt::format("\nmax-ranges = 7  # {}:2\n", file),
          "\nmax-connections = 0\n"s})
        EXPECT_NE(dump.find(line), std::string::npos) << line << " in " << dump;
}

TEST(DumpConfig, WritesSizesTimesAndWorkersAsTheUserDid) {
    const std::string dump =
        invoke({"--dump-config", "--min-rate", "64K", "--grace", "90s"})->output;
    EXPECT_NE(dump.find("\nmin-rate = \"64K\"  # --min-rate\n"), std::string::npos) << dump;
    EXPECT_NE(dump.find("\ngrace = \"90s\"  # --grace\n"), std::string::npos) << dump;
    EXPECT_NE(dump.find("\nworkers = \"auto\"\n"), std::string::npos) << dump;
}

TEST(DumpConfig, ReadsBackToTheSameOptions) {
    const std::vector<std::string> calls[] = {
        {},
        {"--root", "/a \"quoted\" \\ path\twith\n\x7f controls \xc3\xa9"},
        {"--index", "", "--listing", "no", "--hidden", "1", "--symlinks", "follow"},
        {"--host", "::1", "--host", "a\"b,c", "--port", "0", "--unix", "/run/f.sock"},
        {"--workers", "7", "--io", "inline", "--threads", "1024", "--user", "u", "--group", "g"},
        {"--pid-file", "p", "--grace", "0", "--hang-timeout", "720h", "--header-timeout", "1ms"},
        {"--idle-timeout", "5m", "--stall-timeout", "1h", "--pause-timeout", "99s"},
        {"--min-rate", "1T", "--max-connections", "2147483647", "--max-header-size", "1M"},
        {"--max-ranges", "0", "--server-header", "off", "--access-log", "off"},
        {"--log-format", "json", "--log-level", "debug", "--workers", "auto"},
    };
    for (std::vector<std::string> call : calls) {
        call.emplace_back("--dump-config");
        const auto first = invoke(call);
        ASSERT_TRUE(first) << refusal(first);
        const auto second = parse_config(first->output, "dump");
        ASSERT_TRUE(second) << refusal(second) << first->output;
        EXPECT_TRUE(first->options == second->options) << first->output;
    }
}

TEST(DumpConfig, RefusesWhatTomlCannotHold) {
    EXPECT_EQ(refusal(invoke({"--dump-config", "/srv/\xff"})),
              "DIR: expected UTF-8 to write it as TOML, not \"/srv/\\xff\"");
    EXPECT_EQ(refusal(invoke({"/srv/\xff"})), "accepted");
}

TEST(DumpConfig, APlaceWithControlCharactersDoesNotBreakTheFile) {
    const test::TempDir dir;
    test::write_file(dir / "a\nport = 1", "threads = 2");
    const auto result = invoke({"--dump-config", "--config", dir / "a\nport = 1"});
    ASSERT_TRUE(result) << refusal(result);
    EXPECT_EQ(parse_config(result->output, "dump")->options.port, 8080);
}

} // namespace
} // namespace fsrv
