#include "common/ctl_command.h"

#include "common/limits.h"

#include <charconv>
#include <fmt/format.h>

namespace fsrv {
namespace {

struct Word {
    std::string_view name;
    CtlKind kind;
    bool wants_number;
};

constexpr Word kWords[] = {
    {"reload", CtlKind::reload, false}, {"upgrade", CtlKind::upgrade, false},
    {"stop", CtlKind::stop, false},     {"status", CtlKind::status, false},
    {"top", CtlKind::top, false},       {"workers", CtlKind::workers, true},
};

} // namespace

std::optional<CtlCommand> parse_ctl_command(std::string_view text) {
    const std::size_t space = text.find(' ');
    for (const Word& word : kWords) {
        if (word.name != text.substr(0, space)) continue;
        if (word.wants_number != (space != std::string_view::npos)) return std::nullopt;
        CtlCommand command{.kind = word.kind};
        if (!word.wants_number) return command;
        const std::string_view digits = text.substr(space + 1);
        const char* const end = digits.data() + digits.size();
        const auto [stop, error] = std::from_chars(digits.data(), end, command.number);
        if (error != std::errc{} || stop != end || command.number < 1 ||
            command.number > limits::kMaxWorkers)
            return std::nullopt;
        return command;
    }
    return std::nullopt;
}

std::string expected_ctl_command() {
    std::string text;
    for (const Word& word : kWords) {
        const bool is_last = &word == std::end(kWords) - 1;
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
    for (const Word& word : kWords) out.append(out.empty() ? "" : " ").append(word.name);
    return out;
}

} // namespace fsrv
