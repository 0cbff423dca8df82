#include "supervisor/terminal.h"

#include <gtest/gtest.h>

namespace fsrv {
namespace {

using Meaning = Terminal::Meaning;
constexpr pid_t kShell = 100;

struct Case {
    Hangup hangup;
    bool terminal_is_gone;
    Meaning plain;
    Meaning under_nohup;
};

TEST(Terminal, OnlyItsEndEndsTheServer) {
    const Case cases[] = {
        // the kernel, to who is in the foreground
        {{.from_kernel = true}, true, Meaning::end, Meaning::nothing},
        {{.from_kernel = true}, false, Meaning::end, Meaning::nothing},
        // the shell, to its jobs
        {{.sender = kShell}, true, Meaning::end, Meaning::nothing},
        // kill -HUP %1 in that shell
        {{.sender = kShell}, false, Meaning::reload, Meaning::reload},
        // somebody else, later
        {{.sender = 1}, true, Meaning::reload, Meaning::reload},
        {{.sender = 1}, false, Meaning::reload, Meaning::reload},
        {{.sender = 0}, true, Meaning::reload, Meaning::reload},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(Terminal(false, kShell).meaning_of(c.hangup, c.terminal_is_gone), c.plain);
        EXPECT_EQ(Terminal(true, kShell).meaning_of(c.hangup, c.terminal_is_gone), c.under_nohup);
    }
}

} // namespace
} // namespace fsrv
