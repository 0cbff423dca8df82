#include "supervisor/ctl/ctl_command.h"

#include <gtest/gtest.h>
#include <string>

namespace fsrv {
namespace {

TEST(CtlCommand, IsOneOfTheWords) {
    const std::pair<const char*, CtlKind> table[] = {
        {"reload", CtlKind::reload},       {"upgrade", CtlKind::upgrade},
        {"stop", CtlKind::stop},           {"status", CtlKind::status},
        {"workers 1", CtlKind::workers},   {"workers 1024", CtlKind::workers},
        {"workers 007", CtlKind::workers}, {"top", CtlKind::top},
    };
    for (const auto& [text, kind] : table) {
        const auto command = parse_ctl_command(text);
        ASSERT_TRUE(command) << text;
        EXPECT_EQ(command->kind, kind) << text;
    }
    EXPECT_EQ(parse_ctl_command("workers 12")->number, 12U);
}

TEST(CtlCommand, NothingElseIsOne) {
    for (const char* text :
         {"", " ", "re", "reload ", "reload 1", "Reload", "reload\n", "status x", "workers",
          "workers ", "workers 0", "workers -1", "workers +1", "workers 1025", "workers 1 ",
          "workers  1", "workers 1x", "workers 99999999999999999999"})
        EXPECT_FALSE(parse_ctl_command(text)) << text;
    EXPECT_FALSE(parse_ctl_command(std::string("stop\0", 5)));
}

TEST(CtlCommand, TheHelpNamesThemAll) {
    EXPECT_EQ(expected_ctl_command(), "reload, upgrade, stop, status, top or workers N");
}

} // namespace
} // namespace fsrv
