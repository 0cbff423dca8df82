// What workers are told, on channels that are full.

#include "tests/supervisor/supervisor_world.h"
#include "tests/support/files.h"

#include <filesystem>
#include <sys/stat.h>

namespace fsrv {
namespace {

TEST_F(SupervisorTest, AChannelThatIsFullIsTriedAgain) {
    start();
    const pid_t deaf = pid(2);
    // Orders pile up in a channel that nobody reads, until it is full.
    for (int i = 0; i < 400; ++i) {
        die(1);
        turn();
        if (pid(1) == 0) turn_after(limits::kMaxRespawnMs);
        become_ready(1);
        turn_after(1);
    }
    const Words heard = ops_.heard(deaf);
    EXPECT_LT(heard.size(), 800U) << "it was never full";
    turn_after(1'000);
    Words all = heard;
    for (const std::string& word : ops_.heard(deaf)) all.push_back(word);
    EXPECT_EQ(all.back(), "unserve 1") << "in the end it knows how things are";
    for (std::size_t i = 0; i < all.size(); ++i)
        ASSERT_EQ(all[i], i % 2 == 0 ? "serve 1" : "unserve 1");
}

TEST_F(SupervisorTest, OneThatLeavesGetsTheNewLogOnceItsChannelHasRoom) {
    const test::TempDir dir;
    access_log_ = (dir / "access.log").string();
    make();
    start();
    const pid_t leaver = pid(1);
    ops_.say(leaver, ControlKind::leaving);
    turn();
    constexpr int kMoreThanFit = 400;
    for (int i = 0; i < kMoreThanFit; ++i) {
        ops_.signals.push_back(SIGUSR1);
        turn();
    }
    std::filesystem::rename(access_log_, dir / "access.log.1");
    ops_.signals.push_back(SIGUSR1);
    turn();
    EXPECT_LT(ops_.heard(leaver).size(), static_cast<std::size_t>(kMoreThanFit))
        << "it was never full";
    turn_after(1'000);
    ASSERT_EQ(ops_.heard(leaver), Words{"log_file 0"});
    struct stat named {
    }, given{};
    ASSERT_EQ(stat(access_log_.c_str(), &named), 0);
    ASSERT_EQ(fstat(ops_.files.back().get(), &given), 0);
    EXPECT_EQ(given.st_ino, named.st_ino);
    turn_after(1'000);
    EXPECT_EQ(ops_.heard(leaver), Words{}) << "once";
}

} // namespace
} // namespace fsrv
