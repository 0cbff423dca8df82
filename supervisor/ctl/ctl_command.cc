#include "supervisor/ctl/ctl_command.h"

#include "common/ascii.h"
#include "common/limits.h"

#include <fmt/format.h>

namespace fsrv {
namespace {

struct Word {
    std::string_view name;
    CtlKind kind;
    bool wants_number;
};

constexpr Word kCtlWords[] = {
    {"reload", CtlKind::reload, false}, {"upgrade", CtlKind::upgrade, false},
    {"stop", CtlKind::stop, false},     {"status", CtlKind::status, false},
    {"top", CtlKind::top, false},       {"workers", CtlKind::workers, true},
};

} // namespace

std::optional<CtlCommand> parse_ctl_command(std::string_view text) {
    const std::size_t space = text.find(' ');
    for (const Word& word : kCtlWords) {
        if (word.name != text.substr(0, space)) continue;
        if (word.wants_number != (space != std::string_view::npos)) return std::nullopt;
        CtlCommand command{.kind = word.kind};
        if (!word.wants_number) return command;
        const auto number = to_number<unsigned>(text.substr(space + 1));
        if (!number || *number < 1 || *number > limits::kMaxWorkers) return std::nullopt;
        command.number = *number;
        return command;
    }
    return std::nullopt;
}

std::string expected_ctl_command() {
    std::string text;
    for (const Word& word : kCtlWords) {
        const bool is_last = &word == std::end(kCtlWords) - 1;
        text += fmt::format("{}{}{}",
                            text.empty() ? ""
                            : is_last    ? " or "
                                         : ", ",
                            word.name, word.wants_number ? " N" : "");
    }
    return text;
}

std::string ctl_words() {
    std::string out;
    for (const Word& word : kCtlWords) out.append(out.empty() ? "" : " ").append(word.name);
    return out;
}

} // namespace fsrv
