// What a server shares with others: its sockets with local users and with its workers, its figures
// with its workers.
#include "common/passed_fd.h"
#include "tests/integration/admin_support.h"
#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <set>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace fsrv::test {
namespace {

class SharedSockets : public testing::Test {
  protected:
    void SetUp() override { write_pattern(root_ / "t.bin", 1000); }
    std::string path(const char* name) const { return outside_ / name; }
    TempDir root_, outside_;
};

UniqueFd connect_to(const std::string& path, int type) {
    UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0)
        << path;
    return fd;
}

// A TCP socket with unsent bytes and SO_LINGER, attached to a request, sleeps in the close() of
// whoever drops it: once for each connection of a stranger.
TEST_F(SharedSockets, NobodyCanAttachADescriptor) {
    if (!refuse_descriptors(UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)).get()))
        GTEST_SKIP() << "before Linux 6.16";
    Server server(root_.path(), {"--workers", "1", "--unix", path("u"), "--admin",
                                 "unix:" + path("a"), "--control", path("c")});
    struct Socket {
        std::string path;
        int type;
    };
    for (const Socket& one : {Socket{path("u"), SOCK_STREAM}, Socket{path("a"), SOCK_STREAM},
                              Socket{path("c"), SOCK_SEQPACKET}}) {
        const UniqueFd client = connect_to(one.path, one.type);
        char byte = 'G';
        iovec part{.iov_base = &byte, .iov_len = 1};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        PassedFd passed;
        passed.put(message, client.get());
        EXPECT_LT(::sendmsg(client.get(), &message, MSG_NOSIGNAL), 0) << one.path;
        EXPECT_EQ(errno, EPERM) << one.path;
    }
    EXPECT_EQ(RawClient(path("u")).ask(get("/t.bin")).status, 200);
}

TEST_F(SharedSockets, TheUnixSocketIsForWhomItsModeSays) {
    struct Case {
        std::vector<std::string> args;
        mode_t mode;
        gid_t group;
    };
    std::vector<Case> cases{{{}, 0666, ::getegid()},
                            {{"--unix-mode", "0600"}, 0600, ::getegid()},
                            {{"--unix-mode", "auto"}, 0666, ::getegid()}};
    if (am_root()) {
        constexpr gid_t kGroup = 4711;
        cases.push_back({{"--user", "4710", "--group", "4711"}, 0660, kGroup});
        cases.push_back(
            {{"--user", "4710", "--group", "4711", "--unix-mode", "0606"}, 0606, kGroup});
    }
    std::filesystem::permissions(root_.path(), std::filesystem::perms(0755));
    for (const Case& one : cases) {
        std::vector<std::string> args{"--workers", "1", "--unix", path("u")};
        args.insert(args.end(), one.args.begin(), one.args.end());
        Server server(root_.path(), args);
        struct stat found {};
        ASSERT_EQ(::stat(path("u").c_str(), &found), 0);
        EXPECT_EQ(found.st_mode & 07777, one.mode);
        EXPECT_EQ(found.st_gid, one.group);
        EXPECT_EQ(RawClient(path("u")).ask(get("/t.bin")).status, 200);
    }
}

// A copy of the server's listening socket on that address, as each of its workers has one.
UniqueFd listener_of(const Server& server, in_addr_t address_wanted = INADDR_LOOPBACK) {
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, server.pid(), 0)));
    for (int number = 3; number < 64; ++number) {
        UniqueFd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), number, 0)));
        sockaddr_in address{};
        socklen_t size = sizeof address;
        if (copy && ::getsockname(copy.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
            address.sin_family == AF_INET && ntohs(address.sin_port) == server.port() &&
            ntohl(address.sin_addr.s_addr) == address_wanted)
            return copy;
    }
    return {};
}

TEST_F(SharedSockets, WhatAWorkerSpoilsIsMended) {
    if (!am_root()) GTEST_SKIP() << "only root reaches into the supervisor";
    Server server(root_.path(), {.args = {"--workers", "1"},
                                 .environment = {},
                                 .wrapper = {},
                                 .before_exec = {},
                                 .trouble = {"worker ", "listening sockets had been",
                                             "cannot accept: Invalid argument"}});
    const UniqueFd listener = listener_of(server);
    ASSERT_TRUE(listener);
    const struct linger long_time { .l_onoff = 1, .l_linger = 600 };
    const auto lingers = [&] {
        struct linger found {};
        socklen_t size = sizeof found;
        ::getsockopt(listener.get(), SOL_SOCKET, SO_LINGER, &found, &size);
        return found.l_onoff != 0;
    };
    const auto listens = [&] {
        int found = 0;
        socklen_t size = sizeof found;
        ::getsockopt(listener.get(), SOL_SOCKET, SO_ACCEPTCONN, &found, &size);
        return found != 0;
    };
    EXPECT_EQ(::fcntl(listener.get(), F_SETFL, 0), 0);
    EXPECT_EQ(::setsockopt(listener.get(), SOL_SOCKET, SO_LINGER, &long_time, sizeof long_time), 0);
    EXPECT_EQ(::shutdown(listener.get(), SHUT_RD), 0);
    for (const pid_t worker : server.workers()) ::kill(worker, SIGKILL); // when it is looked at
    EXPECT_TRUE(await(listens));
    EXPECT_FALSE(lingers());
    EXPECT_NE(::fcntl(listener.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_TRUE(await([&] { return fetch(server.port(), "/t.bin").status == 200; }));
    EXPECT_EQ(::shutdown(listener.get(), SHUT_RD), 0); // and without a death: now and then
    EXPECT_TRUE(await([&] { return fetch(server.port(), "/t.bin").status == 200; }));
    EXPECT_EQ(server.log().count("listening sockets had been"), 2U);
}

TEST_F(SharedSockets, AListenerThatFailsPausesAlone) {
    if (!am_root()) GTEST_SKIP() << "only root reaches into the supervisor";
    constexpr in_addr_t kBroken = INADDR_LOOPBACK + 1; // 127.0.0.2
    const ClientSetup to_broken{.address = "127.0.0.2"};
    Server server(
        root_.path(),
        {.args = {"--workers", "1", "--host", to_broken.address, "--admin", "127.0.0.1:0"},
         .environment = {},
         .wrapper = {},
         .before_exec = {},
         .trouble = {"cannot accept: Invalid argument", "listening sockets had been"}});
    const Admin admin(server);
    const auto ticks = [&] { return admin.metrics().sum("fsrv_loop_lag_seconds_count"); };
    const UniqueFd listener = listener_of(server, kBroken);
    ASSERT_TRUE(listener);
    server.signal(SIGSTOP); // else it would mend the socket
    EXPECT_TRUE(await([&] { return process_state(server.pid()) == 'T'; }));
    EXPECT_EQ(::shutdown(listener.get(), SHUT_RD), 0);
    EXPECT_TRUE(server.log().await_line("cannot accept: Invalid argument"));
    // The worker's timer is what ends a pause. Were the sound listener suspended with the broken
    // one, each connection would have to wait for it.
    constexpr unsigned kAsked = 40;
    const double before = ticks();
    for (unsigned i = 0; i < kAsked && !HasFailure(); ++i)
        EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    EXPECT_LT(ticks() - before, kAsked / 2);
    server.signal(SIGCONT);
    EXPECT_TRUE(await([&] {
        RawClient client(server.port(), to_broken);
        return client.connected() && client.ask(get("/t.bin")).status == 200;
    })) << "the pause is over, and the socket listens again";
    EXPECT_EQ(server.log().count("cannot accept"), 1U);
}

// The parts of a process's memory that show the server's figures: where they are, and whether it
// can write to them.
std::vector<std::pair<std::string, bool>> figures_of(pid_t pid) {
    std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
    std::vector<std::pair<std::string, bool>> parts;
    for (std::string line; std::getline(maps, line);)
        if (line.find("memfd:fsrv figures") != std::string::npos)
            parts.emplace_back(line.substr(0, line.find(' ')),
                               line.find(" rw-s ") != std::string::npos);
    return parts;
}

TEST_F(SharedSockets, EachProcessWritesItsOwnFiguresAlone) {
    Server server(root_.path(), {"--workers", "2", "--admin", "unix:" + path("a")});
    std::set<std::string> writable;
    const std::vector<pid_t> workers = server.workers(); // and the admin process
    for (const pid_t worker : workers) {
        unsigned count = 0;
        for (const auto& [place, is_writable] : figures_of(worker)) {
            if (!is_writable) continue;
            ++count;
            writable.insert(place);
        }
        EXPECT_EQ(count, 1U);
    }
    EXPECT_EQ(writable.size(), workers.size()) << "none has another's";
    EXPECT_GE(workers.size(), 2U);
    EXPECT_EQ(figures_of(server.pid()).size(), 1U);
}

} // namespace
} // namespace fsrv::test
