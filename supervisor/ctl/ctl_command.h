// What `fsrv --ctl` may say to a running server: one word, and a number where it takes one. Both
// ends read it with this.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace fsrv {

enum class CtlKind { reload, upgrade, stop, status, top, workers };

struct CtlCommand {
    CtlKind kind{};
    unsigned number = 0; // of workers
};

inline constexpr std::size_t kMaxCtlCommand = 64; // bytes

// "reload", "workers 3"; nothing for anything else.
std::optional<CtlCommand> parse_ctl_command(std::string_view text);

// "reload, upgrade, stop, status, top or workers N"
std::string expected_ctl_command();
// "reload upgrade stop status top workers"
std::string ctl_words();

} // namespace fsrv
