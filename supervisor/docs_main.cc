// fsrv-docs man|completion|metrics: what docs/ holds of options.def and metrics.def, printed.
// scripts/docs puts it where it belongs.
#include "common/metrics.h"
#include "common/option_table.h"
#include "supervisor/ctl/ctl_command.h"

#include <algorithm>
#include <fmt/format.h>

namespace {

using fsrv::command_table;
using fsrv::ctl_words;
using fsrv::derived_table;
using fsrv::DerivedSpec;
using fsrv::LabelSpec;
using fsrv::metric_table;
using fsrv::MetricKind;
using fsrv::MetricSpec;
using fsrv::option_table;

std::vector<std::string_view> alternatives(std::string_view metavar) {
    std::vector<std::string_view> parts;
    while (!metavar.empty()) {
        const std::size_t bar = std::min(metavar.find('|'), metavar.size());
        parts.push_back(metavar.substr(0, bar));
        metavar.remove_prefix(std::min(bar + 1, metavar.size()));
    }
    return parts;
}

bool is_literal(std::string_view part) {
    return std::none_of(part.begin(), part.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

// mdoc(7) takes a lone dot or dash for punctuation.
std::string mdoc_word(std::string_view word) {
    return word == "." || word == "-" ? fmt::format("\\&{}", word) : std::string(word);
}

std::string sentence(std::string_view text) {
    std::string out(text);
    out[0] = static_cast<char>(out[0] >= 'a' && out[0] <= 'z' ? out[0] - 'a' + 'A' : out[0]);
    return out + ".";
}

// mdoc(7): one item of a tagged list.
std::string man_item(std::string_view name, std::string_view metavar, std::string_view meaning,
                     std::string_view fallback) {
    std::string out = fmt::format(".It Fl -{}", name);
    std::string_view before;
    for (const std::string_view part : alternatives(metavar)) {
        out += fmt::format("{} {} {}", before, is_literal(part) ? "Cm" : "Ar", mdoc_word(part));
        before = " |";
    }
    out += fmt::format("\n{}\n", sentence(meaning));
    if (!fallback.empty()) out += fmt::format("Default:\n.Ql {} .\n", mdoc_word(fallback));
    return out;
}

std::string man_options() {
    std::string out;
    std::string_view group;
    for (const auto& option : option_table()) {
        if (option.group != group) {
            out += fmt::format("{}.Ss {}\n.Bl -tag -width Ds\n", group.empty() ? "" : ".El\n",
                               option.group);
            group = option.group;
        }
        out += man_item(option.name, option.metavar, option.meaning, option.fallback);
    }
    out += ".El\n.Ss Besides\n.Bl -tag -width Ds\n";
    for (const auto& command : command_table())
        out += man_item(command.name, command.metavar, command.meaning, "");
    return out + ".El\n";
}

// Arguments of compgen that list what may follow the flag; empty: nothing that can be listed.
std::string compgen_arguments(std::string_view name, std::string_view metavar) {
    if (name == "user") return "-u";
    if (name == "group") return "-g";
    if (name == "ctl") return fmt::format("-W '{}'", ctl_words());
    std::string out;
    std::string words;
    for (const std::string_view part : alternatives(metavar)) {
        if (part == "DIR") out = "-d";
        if (part == "PATH" || part == "FILE") out = "-f";
        if (is_literal(part)) words += fmt::format("{}{}", words.empty() ? "" : " ", part);
    }
    if (words.empty()) return out;
    return fmt::format("{}{}-W '{}'", out, out.empty() ? "" : " ", words);
}

std::string completion_case(std::string_view name, std::string_view metavar) {
    if (metavar.empty()) return "";
    const std::string arguments = compgen_arguments(name, metavar);
    if (arguments.empty()) return fmt::format("    --{}) return ;;\n", name);
    return fmt::format("    --{}) from=({}) ;;\n", name, arguments);
}

std::string completion() {
    std::string flags;
    std::string cases;
    const auto add = [&](const auto& entry) {
        flags += fmt::format("{}--{}", flags.empty() ? "" : " ", entry.name);
        cases += completion_case(entry.name, entry.metavar);
    };
    for (const auto& option : option_table()) add(option);
    for (const auto& command : command_table()) add(command);
    return fmt::format(
        R"(# Completion of fsrv(8) for bash. Made by scripts/docs from common/options.def.
_fsrv() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} from=(-d)
    # --flag=value comes as three words.
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    COMPREPLY=()
    case $prev in
{}    *) [[ $cur != -* ]] || from=(-W '{}') ;;
    esac
    [[ ${{from[0]}} != -[df] ]] || compopt -o filenames
    mapfile -t COMPREPLY < <(compgen "${{from[@]}}" -- "$cur")
}}
complete -F _fsrv fsrv
)",
        cases, flags);
}

std::string label_text(const LabelSpec& label) {
    if (label.key.empty()) return "";
    if (label.values.empty()) return fmt::format("`{}`", label.key);
    return fmt::format("`{}`: {}", label.key, fmt::join(label.values, ", "));
}

// A table in Markdown.
std::string metrics() {
    std::string out = "| name | type | labels | meaning |\n|---|---|---|---|\n";
    const auto row = [&](std::string_view name, std::string_view type, std::string_view labels,
                         std::string_view help) {
        out += fmt::format("| `{}` | {} | {} | {} |\n", name, type, labels, help);
    };
    for (const DerivedSpec& spec : derived_table()) row(spec.name, "gauge", "", spec.help);
    for (const MetricSpec& spec : metric_table()) {
        const MetricKind kind = shape_of(spec.id).kind;
        std::string labels = label_text(spec.label1);
        if (!spec.label2.key.empty()) labels += "; " + label_text(spec.label2);
        row(spec.name,
            kind == MetricKind::counter ? "counter"
            : kind == MetricKind::gauge ? "gauge"
                                        : "histogram",
            labels, spec.help);
    }
    return out;
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc == 2 ? argv[1] : "";
    if (what == "man")
        fmt::print("{}", man_options());
    else if (what == "completion")
        fmt::print("{}", completion());
    else if (what == "metrics")
        fmt::print("{}", metrics());
    else {
        fmt::print(stderr, "usage: fsrv-docs man|completion|metrics\n");
        return 2;
    }
    return 0;
}
