// Hostile workers.

#include "tests/supervisor/supervisor_world.h"

#include <fcntl.h>
#include <sys/socket.h>

namespace fsrv {
namespace {

TEST_F(SupervisorTest, GarbageOnTheChannelIsIgnored) {
    start();
    const int channel = ops_.alive.at(pid(1)).get();
    const std::string garbage[] = {"",
                                   "x",
                                   std::string(15, '\xFF'),
                                   std::string(16, '\xFF'),
                                   std::string(17, '\0'),
                                   std::string(4096, 'A')};
    for (const std::string& bytes : garbage)
        ASSERT_GE(send(channel, bytes.data(), bytes.size(), MSG_NOSIGNAL), 0);
    for (const auto kind :
         {ControlKind::serve, ControlKind::unserve, ControlKind::drain, ControlKind::ready})
        ops_.say(pid(1), kind);
    EXPECT_EQ(turn(), std::nullopt);
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(state(i), SlotState::ready);
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(ops_.heard(pid(i)), Words{});
}

TEST_F(SupervisorTest, AFloodIsCutOffAndTheOthersAreHeard) {
    start();
    for (int i = 0; i < 100; ++i) {
        const pid_t noisy = pid(0);
        while (send_control(ops_.alive.at(noisy).get(), {.kind = ControlKind::ready})) {
        }
        die(1);
        turn();
        become_ready(1);
        ASSERT_EQ(state(1), SlotState::ready) << i;
        ASSERT_EQ(pid(0), noisy);
        turn_after(60'000);
    }
    EXPECT_FALSE(send_control(ops_.alive.at(pid(0)).get(), {.kind = ControlKind::ready}))
        << "nobody reads it any more";
    die(0);
    turn();
    become_ready(0);
    EXPECT_EQ(state(0), SlotState::ready) << "its successor is heard";
}

TEST_F(SupervisorTest, DescriptorsThatAWorkerSendsAreClosed) {
    start();
    const auto open_fds = [] {
        int count = 0;
        for (int fd = 0; fd < 1024; ++fd) count += fcntl(fd, F_GETFD) >= 0;
        return count;
    };
    const int before = open_fds();
    for (int i = 0; i < 10; ++i) {
        const bool sent =
            send_control(ops_.alive.at(pid(1)).get(), {.kind = ControlKind::ready}, 0);
        ASSERT_TRUE(sent || errno == EPERM) << "from Linux 6.16 on they do not even come";
    }
    turn();
    EXPECT_EQ(open_fds(), before);
}

TEST_F(SupervisorTest, AWorkerThatClosesItsChannelHasToEnd) {
    start();
    const pid_t mute = pid(1);
    ops_.alive.at(mute).reset();
    turn();
    EXPECT_EQ(ops_.heard(pid(2)), Words{"serve 1"});
    turn_after(kEndingMs);
    EXPECT_EQ(signals_to(mute), std::vector{SIGABRT});
    turn_after(limits::kAbortToKillMs);
    EXPECT_EQ(signals_to(mute), (std::vector{SIGABRT, SIGKILL}));
}

} // namespace
} // namespace fsrv
