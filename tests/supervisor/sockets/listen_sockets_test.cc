// On real sockets of the loopback.

#include "supervisor/sockets/listen_sockets.h"

#include "common/limits.h"
#include "common/pacing.h"
#include "tests/support/await.h"

#include <algorithm>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <map>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

namespace fsrv {
namespace {

using List = std::vector<std::string>;
const List kLoopback{"127.0.0.1"};

Result<ListenSockets, StartError> open(const List& hosts, std::uint16_t port, unsigned slots) {
    return ListenSockets::open({.hosts = hosts, .port = port, .slots = slots});
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// With a first byte, since a silent connection is shown to nobody for a second.
UniqueFd connect_to(std::uint16_t port) {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        fd.reset();
    else
        EXPECT_EQ(send(fd.get(), "?", 1, MSG_NOSIGNAL), 1);
    return fd;
}

UniqueFd accept_one(int listener) {
    return UniqueFd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
}

// Accepts `count` connections from all sockets, fewer if no more come; how many, by slot.
std::map<unsigned, unsigned> accept_all(const ListenSockets& sockets, unsigned count) {
    std::map<unsigned, unsigned> by_slot;
    unsigned total = 0;
    test::await([&] {
        for (const ListenSocket& socket : sockets.sockets())
            for (; accept_one(socket.fd); ++total) ++by_slot[socket.slot];
        return total >= count;
    });
    return by_slot;
}

int option(int fd, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    EXPECT_EQ(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

TEST(ListenSockets, OneSocketPerSlotAndAddressAllOnOnePort) {
    const List hosts{"127.0.0.1", "127.0.0.2", "::1"};
    const auto sockets = open(hosts, 0, 3);
    ASSERT_TRUE(sockets) << sockets.error().message;
    EXPECT_NE(sockets->port(), 0);
    EXPECT_EQ(sockets->addresses().size(), 3U);
    ASSERT_EQ(sockets->sockets().size(), 9U);
    std::map<unsigned, int> per_slot;
    for (const ListenSocket& socket : sockets->sockets()) {
        ++per_slot[socket.slot];
        EXPECT_FALSE(socket.unix_socket);
        EXPECT_EQ(option(socket.fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
        EXPECT_EQ(option(socket.fd, SOL_SOCKET, SO_REUSEPORT), 1);
        EXPECT_NE(fcntl(socket.fd, F_GETFL) & O_NONBLOCK, 0);
        EXPECT_NE(fcntl(socket.fd, F_GETFD) & FD_CLOEXEC, 0);
    }
    EXPECT_EQ(per_slot, (std::map<unsigned, int>{{0, 3}, {1, 3}, {2, 3}}));
}

TEST(ListenSockets, AnAcceptedConnectionInheritsItsOptions) {
    const auto sockets = open(kLoopback, 0, 1);
    ASSERT_TRUE(sockets);
    const UniqueFd client = connect_to(sockets->port());
    const int listener = sockets->sockets()[0].fd;
    EXPECT_GT(option(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
    ASSERT_TRUE(test::await_fd(listener, POLLIN));
    const UniqueFd accepted = accept_one(listener);
    ASSERT_TRUE(accepted);
    EXPECT_EQ(option(accepted.get(), IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(option(accepted.get(), SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option(accepted.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT), limits::kNotSentLowat);
}

// BBR's pacing is for paths; this machine is none.
TEST(ListenSockets, ConnectionsOfThisMachineAreNotPaced) {
    const UniqueFd plain(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    struct Row {
        const char* address;
        bool paced;
    };
    for (const Row& row :
         {Row{"127.0.0.1", false}, Row{"127.0.0.2", false}, Row{"::1", false},
          Row{"0.0.0.0", is_paced(plain.get())}, Row{"::", is_paced(plain.get())}}) {
        const auto sockets = open({row.address}, 0, 1);
        ASSERT_TRUE(sockets) << row.address;
        EXPECT_EQ(is_paced(sockets->sockets()[0].fd), row.paced) << row.address;
    }
}

TEST(ListenSockets, BbrIsPacedAndNothingElseIs) {
    const UniqueFd tcp(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const UniqueFd other(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(setsockopt(tcp.get(), IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
    EXPECT_FALSE(is_paced(tcp.get()));
    EXPECT_FALSE(is_paced(other.get()));
    EXPECT_FALSE(is_paced(-1));
    const bool has_bbr = setsockopt(tcp.get(), IPPROTO_TCP, TCP_CONGESTION, "bbr", 3) == 0;
    EXPECT_EQ(is_paced(tcp.get()), has_bbr) << "it is a module";
}

TEST(ListenSockets, ConnectionsSpreadOverAllSlots) {
    constexpr unsigned kSlots = 4, kConnections = 200;
    const auto sockets = open(kLoopback, 0, kSlots);
    ASSERT_TRUE(sockets);
    std::vector<UniqueFd> clients;
    for (unsigned i = 0; i < kConnections; ++i) {
        clients.push_back(connect_to(sockets->port()));
        ASSERT_TRUE(clients.back());
    }
    unsigned total = 0;
    const auto accepted = accept_all(*sockets, kConnections);
    for (const auto& [slot, got] : accepted) total += got;
    EXPECT_EQ(accepted.size(), kSlots); // fewer by chance once in 10^24 runs
    EXPECT_EQ(total, kConnections);
}

TEST(ListenSockets, AQueueSurvivesEverybodyWhoCouldHaveAccepted) {
    auto sockets = open(kLoopback, 0, 2);
    ASSERT_TRUE(sockets);
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(connect_to(sockets->port()));
    const pid_t worker = fork();
    if (worker == 0) {
        const int listener = sockets->sockets()[0].fd;
        _exit(test::await_fd(listener, POLLIN) && accept_one(listener) ? 0 : 1);
    }
    ASSERT_EQ(test::await_child(worker), 0); // fails by chance once in 10^6 runs
    unsigned total = 0;
    for (const auto& [slot, got] : accept_all(*sockets, 19)) total += got;
    EXPECT_EQ(total, 19U);
}

void expect_taken(const Result<ListenSockets, StartError>& result, std::uint16_t port) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().exit_status, kExitBind);
    EXPECT_NE(result.error().message.find(std::to_string(port)), std::string::npos)
        << result.error().message;
    EXPECT_NE(result.error().message.find("in use"), std::string::npos) << result.error().message;
    EXPECT_NE(result.error().message.find("--port"), std::string::npos) << "what to do";
}

TEST(ListenSockets, APortOfAnotherServerOfOursIsTaken) {
    for (const unsigned first : {1U, 2U}) {
        for (const unsigned second : {1U, 2U}) {
            const auto sockets = open(kLoopback, 0, first);
            ASSERT_TRUE(sockets);
            expect_taken(open(kLoopback, sockets->port(), second), sockets->port());
        }
    }
}

TEST(ListenSockets, AWildcardAndAnAddressOfItAreTheSamePort) {
    const auto specific = open(List{"127.0.0.1"}, 0, 2);
    ASSERT_TRUE(specific);
    expect_taken(open(List{"0.0.0.0"}, specific->port(), 2), specific->port());
}

TEST(ListenSockets, APortOfAnotherProgramIsTakenWhateverItsOptions) {
    for (const bool reuse_port : {false, true}) {
        for (const bool reuse_address : {false, true}) {
            const UniqueFd other(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            const int on = 1;
            if (reuse_port) setsockopt(other.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
            if (reuse_address) setsockopt(other.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
            sockaddr_in address = loopback(0);
            socklen_t length = sizeof address;
            ASSERT_EQ(bind(other.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
            ASSERT_EQ(listen(other.get(), 10), 0);
            getsockname(other.get(), reinterpret_cast<sockaddr*>(&address), &length);
            expect_taken(open(kLoopback, ntohs(address.sin_port), 2), ntohs(address.sin_port));
        }
    }
}

TEST(ListenSockets, AProgramThatSharesItsPortCannotJoinUsUnlessItIsOurUsers) {
    const auto sockets = open(kLoopback, 0, 2);
    ASSERT_TRUE(sockets);
    const sockaddr_in address = loopback(sockets->port());
    const UniqueFd exclusive(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_NE(bind(exclusive.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    EXPECT_EQ(errno, EADDRINUSE);
}

// The first one of a closed connection's ends stays in TIME_WAIT: it is ours, since we close first.
TEST(ListenSockets, ARestartDoesNotWaitForOldConnections) {
    auto sockets = open(kLoopback, 0, 2);
    ASSERT_TRUE(sockets);
    const std::uint16_t port = sockets->port();
    for (int i = 0; i < 20; ++i) {
        const UniqueFd client = connect_to(port);
        ASSERT_TRUE(client);
        std::vector<pollfd> fds;
        for (const ListenSocket& s : sockets->sockets())
            fds.push_back({.fd = s.fd, .events = POLLIN, .revents = 0});
        ASSERT_GT(poll(fds.data(), fds.size(), 60'000), 0);
        char byte;
        for (const pollfd& entry : fds) {
            if (entry.revents == 0) continue;
            const UniqueFd accepted = accept_one(entry.fd);
            EXPECT_EQ(read(accepted.get(), &byte, 1), 1); // else its close were a reset
        }
        ASSERT_EQ(read(client.get(), &byte, 1), 0);
    }
    *sockets = ListenSockets();
    const auto again = open(kLoopback, port, 2);
    EXPECT_TRUE(again) << again.error().message;
}

TEST(ListenSockets, OfManyThatStartAtOnceOneGetsThePort) {
    for (int round = 0; round < 20; ++round) {
        const std::uint16_t port = open(kLoopback, 0, 1)->port();
        constexpr int kRivals = 6;
        int gate[2], hold[2];
        ASSERT_EQ(pipe(gate), 0);
        ASSERT_EQ(pipe(hold), 0);
        std::vector<pid_t> rivals;
        for (int i = 0; i < kRivals; ++i) {
            const pid_t pid = fork();
            if (pid == 0) {
                close(gate[1]);
                close(hold[1]);
                char byte;
                [[maybe_unused]] ssize_t n = read(gate[0], &byte, 1); // all start when it closes
                const auto sockets = open(kLoopback, port, 3);
                if (!sockets) _exit(sockets.error().exit_status);
                n = read(hold[0], &byte, 1); // keeps it until all have tried
                _exit(0);
            }
            rivals.push_back(pid);
        }
        close(gate[0]);
        close(hold[0]);
        close(gate[1]);
        // All but one end by themselves.
        std::map<int, int> statuses;
        for (int i = 0; i < kRivals - 1; ++i) {
            int status = 0;
            pid_t pid = -1;
            ASSERT_TRUE(test::await([&] { return (pid = waitpid(-1, &status, WNOHANG)) > 0; }));
            rivals.erase(std::find(rivals.begin(), rivals.end(), pid));
            ++statuses[WEXITSTATUS(status)];
        }
        EXPECT_EQ(statuses, (std::map<int, int>{{kExitBind, kRivals - 1}}));
        close(hold[1]);
        const auto last = test::await_child(rivals.at(0));
        ASSERT_TRUE(last);
        EXPECT_EQ(WEXITSTATUS(*last), 0) << "one has it";
    }
}

TEST(ListenSockets, AnAddressThatTheMachineLacksIsNamed) {
    const auto sockets = open(List{"192.0.2.1"}, 0, 2);
    ASSERT_FALSE(sockets);
    EXPECT_EQ(sockets.error().exit_status, kExitBind);
    EXPECT_NE(sockets.error().message.find("192.0.2.1"), std::string::npos)
        << sockets.error().message;
}

TEST(ListenSockets, OneLackingAddressOfSeveralGivesNothingAtAll) {
    const std::uint16_t port = open(kLoopback, 0, 1)->port();
    EXPECT_FALSE(open(List{"127.0.0.1", "192.0.2.1"}, port, 2));
    EXPECT_FALSE(connect_to(port)) << "what was bound is released";
}

TEST(ListenSockets, AfterTheEndConnectionsAreRefusedAlsoWhereAnotherProcessHoldsCopies) {
    auto sockets = open(kLoopback, 0, 2);
    ASSERT_TRUE(sockets);
    std::vector<UniqueFd> copies;
    for (const ListenSocket& socket : sockets->sockets())
        copies.push_back(UniqueFd(dup(socket.fd)));
    const std::uint16_t port = sockets->port();
    EXPECT_TRUE(connect_to(port));
    sockets->stop_listening();
    EXPECT_TRUE(sockets->sockets().empty());
    for (int i = 0; i < 20; ++i) EXPECT_FALSE(connect_to(port));
    EXPECT_EQ(errno, ECONNREFUSED);
}

TEST(ListenSockets, RunningOutOfDescriptorsIsExplained) {
    const pid_t child = fork();
    if (child == 0) {
        const rlimit limit{.rlim_cur = 20, .rlim_max = 20};
        setrlimit(RLIMIT_NOFILE, &limit);
        const auto sockets = open(kLoopback, 0, 64);
        const bool explained = !sockets && sockets.error().exit_status == kExitBind &&
                               sockets.error().message.find("EMFILE") != std::string::npos;
        _exit(explained ? 0 : 1);
    }
    EXPECT_EQ(test::await_child(child), 0);
}

} // namespace
} // namespace fsrv
