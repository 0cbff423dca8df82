// Upgrade: the server that takes over.

#include "tests/supervisor/supervisor_world.h"
#include "tests/support/files.h"

#include <filesystem>
#include <sys/socket.h>
#include <sys/stat.h>

namespace fsrv {
namespace {

class TakeOver : public SupervisorTest {
  protected:
    TakeOver() : predecessor_(0, make_channel()) { make(); }
    UniqueFd make_channel() {
        int ends[2] = {-1, -1};
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        inherited_channel_.reset(ends[0]);
        return UniqueFd(ends[1]);
    }
    void all_become_ready() {
        turn();
        for (unsigned i = 0; i < 3; ++i) ops_.say(pid(i), ControlKind::ready);
        turn();
    }
    Successor predecessor_; // its end: we are its successor
};

TEST_F(TakeOver, ItServesInItsOwnRightWhenItIsTold) {
    turn();
    EXPECT_EQ(predecessor_.hear(), Successor::Word::none);
    all_become_ready();
    EXPECT_EQ(predecessor_.hear(), Successor::Word::ready);
    turn_after(5'000);
    EXPECT_TRUE(started_with_.empty()) << "not before the other one has said so";
    EXPECT_EQ(predecessor_.hear(), Successor::Word::none) << "said once";
    ASSERT_TRUE(predecessor_.tell_yours());
    turn();
    EXPECT_EQ(started_with_, std::vector{3U});
    predecessor_ = Successor(0, UniqueFd());
    EXPECT_EQ(turn_after(5'000), std::nullopt) << "what becomes of the other one is no news";
}

TEST_F(TakeOver, ALogThatWasRotatedMeanwhileIsOpenedAnew) {
    const test::TempDir dir;
    access_log_ = (dir / "access.log").string();
    predecessor_ = Successor(0, make_channel());
    make();
    all_become_ready();
    for (unsigned i = 0; i < 3; ++i) ops_.heard(pid(i));
    std::filesystem::rename(access_log_, dir / "access.log.1");
    ASSERT_TRUE(predecessor_.tell_yours());
    turn();
    struct stat named {
    }, given{};
    ASSERT_EQ(stat(access_log_.c_str(), &named), 0) << "USR1 went to the other one";
    for (unsigned i = 0; i < 3; ++i) {
        ASSERT_EQ(ops_.heard(pid(i)), Words{"log_file 0"});
        ASSERT_EQ(fstat(ops_.files.back().get(), &given), 0);
        EXPECT_EQ(given.st_ino, named.st_ino);
    }
}

TEST_F(TakeOver, ItEndsWhenTheOtherOneIsGoneTooEarly) {
    all_become_ready();
    predecessor_ = Successor(0, UniqueFd());
    std::optional<int> status;
    for (int turns = 0; turns < 5 && !status; ++turns) status = turn();
    EXPECT_EQ(status, kExitFailure);
    EXPECT_TRUE(started_with_.empty());
}

TEST_F(TakeOver, ItSaysWhyItCannotBeforeItSaysThatItIsReady) {
    obstacle_ = "no room for the pid file";
    turn();
    for (unsigned i = 0; i < 3; ++i) ops_.say(pid(i), ControlKind::ready);
    std::optional<int> status;
    for (int turns = 0; turns < 5 && !status; ++turns) status = turn();
    EXPECT_EQ(status, kExitFailure);
    EXPECT_TRUE(started_with_.empty());
    EXPECT_EQ(predecessor_.hear(), Successor::Word::failed);
    EXPECT_EQ(predecessor_.why(), obstacle_);
}

TEST_F(TakeOver, ItSaysThatNoWorkerCouldStart) {
    turn();
    for (unsigned i = 0; i < 3; ++i) die(i, exited(kExitUsage));
    EXPECT_EQ(turn(), kExitUsage);
    EXPECT_EQ(predecessor_.hear(), Successor::Word::failed);
    EXPECT_NE(predecessor_.why().find("no worker could start"), std::string::npos);
}

} // namespace
} // namespace fsrv
