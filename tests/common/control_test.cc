#include "common/control.h"

#include "common/passed_fd.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <vector>

namespace fsrv {
namespace {

struct Pair {
    UniqueFd supervisor;
    UniqueFd worker;
    Pair() {
        int fds[2] = {-1, -1};
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        supervisor.reset(fds[0]);
        worker.reset(fds[1]);
    }
};

void send_raw(int socket, const void* bytes, std::size_t size, std::vector<int> fds = {}) {
    iovec part{.iov_base = const_cast<void*>(bytes), .iov_len = size};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, 1024> ancillary{};
    if (!fds.empty()) {
        const std::size_t length = fds.size() * sizeof(int);
        header.msg_control = ancillary.data();
        header.msg_controllen = CMSG_SPACE(length);
        cmsghdr* c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(length);
        std::memcpy(CMSG_DATA(c), fds.data(), length);
    }
    ASSERT_EQ(sendmsg(socket, &header, 0), static_cast<ssize_t>(size));
}

// How many descriptors this process has open.
unsigned open_descriptors() {
    unsigned count = 0;
    for (int fd = 0; fd < 1024; ++fd)
        if (fcntl(fd, F_GETFD) >= 0) ++count;
    return count;
}

// Of a worker that somebody took over: dropping the descriptor could put the supervisor to sleep.
TEST(Control, NoDescriptorTravelsUp) {
    const auto pair = open_control_pair();
    ASSERT_TRUE(pair);
    const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!refuse_descriptors(probe.get())) GTEST_SKIP() << "before Linux 6.16";
    EXPECT_FALSE(send_control(pair->worker.get(), {.kind = ControlKind::ready}, 0));
    EXPECT_EQ(errno, EPERM);
    EXPECT_TRUE(send_control(pair->worker.get(), {.kind = ControlKind::ready}));
    EXPECT_TRUE(send_control(pair->supervisor.get(), {.kind = ControlKind::log_file}, 0));
    EXPECT_TRUE(receive_control(pair->worker.get()).fd);
}

TEST(Control, EveryKindArrivesAsItWasSent) {
    const Pair pair;
    for (const ControlKind kind :
         {ControlKind::serve, ControlKind::unserve, ControlKind::drain, ControlKind::log_file,
          ControlKind::ready, ControlKind::leaving}) {
        ASSERT_TRUE(send_control(pair.supervisor.get(), {.kind = kind, .value = ~0ULL}));
        const Received received = receive_control(pair.worker.get());
        EXPECT_EQ(received.status, ReceiveStatus::message);
        EXPECT_EQ(received.message.kind, kind);
        EXPECT_EQ(received.message.value, ~0ULL);
        EXPECT_FALSE(received.fd);
    }
}

TEST(Control, MessagesKeepTheirOrder) {
    const Pair pair;
    for (std::uint64_t i = 0; i < 5; ++i)
        ASSERT_TRUE(send_control(pair.worker.get(), {.kind = ControlKind::serve, .value = i}));
    for (std::uint64_t i = 0; i < 5; ++i)
        EXPECT_EQ(receive_control(pair.supervisor.get()).message.value, i);
}

TEST(Control, NothingToReadDoesNotBlock) {
    const Pair pair;
    EXPECT_EQ(receive_control(pair.worker.get()).status, ReceiveStatus::nothing);
}

TEST(Control, ADescriptorTravelsAlong) {
    const Pair pair;
    int pipe_fds[2] = {-1, -1};
    ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
    const UniqueFd reader(pipe_fds[0]);
    UniqueFd writer(pipe_fds[1]);
    ASSERT_TRUE(send_control(pair.supervisor.get(), {.kind = ControlKind::log_file}, writer.get()));
    writer.reset();

    Received received = receive_control(pair.worker.get());
    ASSERT_EQ(received.status, ReceiveStatus::message);
    ASSERT_TRUE(received.fd);
    EXPECT_EQ(fcntl(received.fd.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(write(received.fd.get(), "x", 1), 1);
    char byte = 0;
    EXPECT_EQ(read(reader.get(), &byte, 1), 1);
    EXPECT_EQ(byte, 'x');
}

TEST(Control, ADescriptorThatNobodyTakesIsClosed) {
    const Pair pair;
    const unsigned before = open_descriptors();
    ASSERT_TRUE(send_control(pair.supervisor.get(), {.kind = ControlKind::log_file}, 0));
    receive_control(pair.worker.get());
    EXPECT_EQ(open_descriptors(), before);
}

TEST(Control, DescriptorsBeyondTheFirstAreClosedAndTheMessageRefused) {
    const Pair pair;
    const ControlMessage message{.kind = ControlKind::ready};
    for (const std::size_t count : {2U, 3U, 50U}) {
        const unsigned before = open_descriptors();
        send_raw(pair.worker.get(), &message, sizeof message, std::vector<int>(count, 0));
        EXPECT_EQ(receive_control(pair.supervisor.get()).status, ReceiveStatus::malformed) << count;
        EXPECT_EQ(open_descriptors(), before) << count;
    }
}

TEST(Control, WrongSizesAreMalformed) {
    const Pair pair;
    const std::array<char, 64 * 1024> zeros{};
    for (const std::size_t size : {0U, 1U, 15U, 17U, 4096U, 65536U}) {
        send_raw(pair.worker.get(), zeros.data(), size);
        EXPECT_EQ(receive_control(pair.supervisor.get()).status, ReceiveStatus::malformed) << size;
    }
    // and are gone when they were read
    EXPECT_EQ(receive_control(pair.supervisor.get()).status, ReceiveStatus::nothing);
}

TEST(Control, ARightBeginningDoesNotExcuseAWrongSize) {
    const Pair pair;
    const ControlMessage two[2] = {{.kind = ControlKind::ready}, {.kind = ControlKind::ready}};
    send_raw(pair.worker.get(), two, sizeof two);
    EXPECT_EQ(receive_control(pair.supervisor.get()).status, ReceiveStatus::malformed);
}

TEST(Control, UnknownKindsAreMalformed) {
    const Pair pair;
    for (const std::uint32_t kind : {0U, 15U, 1000U, 0xffffffffU}) {
        const ControlMessage message{.kind = static_cast<ControlKind>(kind)};
        send_raw(pair.worker.get(), &message, sizeof message);
        EXPECT_EQ(receive_control(pair.supervisor.get()).status, ReceiveStatus::malformed) << kind;
    }
}

TEST(Control, AMissingPeerIsTheEnd) {
    Pair pair;
    pair.worker.reset();
    EXPECT_EQ(receive_control(pair.supervisor.get()).status, ReceiveStatus::closed);
    EXPECT_FALSE(send_control(pair.supervisor.get(), {.kind = ControlKind::drain}));
}

TEST(Control, LastWordsAreReadBeforeTheEnd) {
    Pair pair;
    ASSERT_TRUE(send_control(pair.worker.get(), {.kind = ControlKind::ready}));
    pair.worker.reset();
    EXPECT_EQ(receive_control(pair.supervisor.get()).status, ReceiveStatus::message);
    EXPECT_EQ(receive_control(pair.supervisor.get()).status, ReceiveStatus::closed);
}

TEST(Control, APeerThatLeftThingsUnreadIsTheEnd) {
    Pair pair;
    ASSERT_TRUE(send_control(pair.supervisor.get(), {.kind = ControlKind::drain}));
    pair.worker.reset();
    EXPECT_EQ(receive_control(pair.supervisor.get()).status, ReceiveStatus::closed);
}

TEST(Control, AFullBufferDoesNotBlockAndLosesNothingThatWasAccepted) {
    const Pair pair;
    std::uint64_t accepted = 0;
    while (send_control(pair.supervisor.get(), {.kind = ControlKind::serve, .value = accepted}))
        ++accepted;
    ASSERT_GT(accepted, 0U);
    for (std::uint64_t i = 0; i < accepted; ++i)
        ASSERT_EQ(receive_control(pair.worker.get()).message.value, i);
    EXPECT_EQ(receive_control(pair.worker.get()).status, ReceiveStatus::nothing);
    EXPECT_TRUE(send_control(pair.supervisor.get(), {.kind = ControlKind::drain}));
}

TEST(Control, SomethingThatIsNoSocketIsTheEnd) {
    const UniqueFd file(open("/dev/null", O_RDWR | O_CLOEXEC));
    EXPECT_FALSE(send_control(file.get(), {.kind = ControlKind::ready}));
    EXPECT_EQ(receive_control(file.get()).status, ReceiveStatus::closed);
}

} // namespace
} // namespace fsrv
