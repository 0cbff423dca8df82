// Socket activation: the test is the service manager, which holds the sockets and starts one server
// after the other on them.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <atomic>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>

namespace fsrv::test {
namespace {

class Activation : public testing::Test {
  protected:
    Activation() { write_pattern(root_ / "t.bin", 1000); }

    // Like ListenStream= so many times, with ReusePort=yes.
    void listen_on_tcp(unsigned count) {
        for (unsigned i = 0; i < count; ++i) {
            UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            const int on = 1;
            ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
            sockaddr_in address{};
            socklen_t length = sizeof address;
            address.sin_family = AF_INET;
            address.sin_port = htons(port_);
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
            ASSERT_EQ(::listen(fd.get(), 4096), 0);
            ASSERT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
            port_ = ntohs(address.sin_port);
            sockets_.push_back(std::move(fd));
        }
    }
    void listen_on_unix(const std::string& path) {
        UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        ASSERT_EQ(::listen(fd.get(), 4096), 0);
        sockets_.push_back(std::move(fd));
    }
    // The pid of LISTEN_PID is known to the process itself only; a shell that becomes fsrv keeps
    // it.
    ServerSetup setup(std::vector<std::string> args) {
        return {
            .args = std::move(args),
            .environment = {"LISTEN_FDS=" + std::to_string(sockets_.size()), "LISTEN_FDNAMES=http"},
            .wrapper = {"sh", "-c", "LISTEN_PID=$$ exec \"$@\"", "sh"},
            .before_exec =
                [this] {
                    constexpr int kFarAway = 200; // from where none of them goes
                    for (const UniqueFd& fd : sockets_) ::fcntl(fd.get(), F_DUPFD, kFarAway);
                    for (int i = 0; i < static_cast<int>(sockets_.size()); ++i)
                        ::dup2(kFarAway + i, 3 + i);
                },
            .loopback = false};
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }

    TempDir root_;
    std::vector<UniqueFd> sockets_;
    std::uint16_t port_ = 0;
};

TEST_F(Activation, EverySocketIsServedWhateverTheNumberOfWorkers) {
    constexpr std::pair<unsigned, const char*> kTable[] = {{1, "1"}, {1, "3"}, {2, "4"},
                                                           {3, "3"}, {4, "1"}, {5, "2"}};
    for (const auto& [sockets, workers] : kTable) {
        SCOPED_TRACE(std::to_string(sockets) + " sockets, workers: " + workers);
        sockets_.clear();
        port_ = 0;
        listen_on_tcp(sockets);
        // A port that is taken, by the test itself: it must not matter.
        Server server(root_.path(), setup({"--workers", workers, "--host", "127.0.0.1", "--port",
                                           std::to_string(port_)}));
        EXPECT_NE(server.start_line().find("at " + url() + " with"), std::string::npos)
            << server.start_line();
        // By chance a socket gets none of them once in 10^19 runs.
        for (int i = 0; i < 200; ++i) ASSERT_EQ(fetch(port_, "/t.bin").status, 200) << i;
        for (const pid_t worker : server.workers())
            EXPECT_GE(open_descriptors(worker, "socket:"), sockets);
    }
}

TEST_F(Activation, AUnixSocketIsServedAndStaysWhenTheServerGoes) {
    const std::string path = (root_ / "http.sock").string();
    listen_on_unix(path);
    for (int round = 0; round < 2; ++round) {
        Server server(root_.path(), setup({"--workers", "2"}));
        EXPECT_NE(server.start_line().find("at unix:" + path + " with"), std::string::npos)
            << server.start_line();
        for (int i = 0; i < 20; ++i) {
            RawClient client(path);
            EXPECT_EQ(client.ask(get("/t.bin")).status, 200);
        }
    }
}

TEST_F(Activation, ARestartRefusesAndResetsNobody) {
    listen_on_tcp(2);
    std::atomic<bool> over = false;
    std::atomic<unsigned> answered = 0, lost = 0;
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i)
        clients.emplace_back([&] {
            while (!over) {
                RawClient client(port_);
                const Response response = client.ask(get("/t.bin", "Connection: close\r\n"));
                (response.status == 200 && response.complete() ? answered : lost) += 1;
            }
        });
    for (unsigned round = 1; round <= 8; ++round) {
        Server server(root_.path(), setup({"--workers", round % 2 == 0 ? "2" : "3"}));
        EXPECT_TRUE(await([&] { return answered >= round * 50; }));
    }
    // Those that wait now wait for a server.
    {
        Server server(root_.path(), setup({"--workers", "2"}));
        over = true;
        for (std::thread& client : clients) client.join();
    }
    EXPECT_EQ(lost, 0U) << "of " << answered;
}

TEST_F(Activation, TheSocketsOfAnotherProcessAreNotOurs) {
    listen_on_tcp(1);
    ServerSetup theirs = setup({"--host", "127.0.0.1", "--port", "0"});
    theirs.wrapper = {"sh", "-c", "LISTEN_PID=1 exec \"$@\"", "sh"};
    const Server server(root_.path(), std::move(theirs));
    EXPECT_NE(server.port(), port_);
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

TEST_F(Activation, WhatCannotBeServedEndsTheStartWith3AndIsNamed) {
    struct Row {
        std::string before;
        const char* message;
    };
    const Row table[] = {
        {"LISTEN_FDS=9999", "LISTEN_FDS=9999 is no number"},
        {"LISTEN_FDS=4096", "LISTEN_FDS=4096 is not true"},
        {"LISTEN_FDS=1 LISTEN_FDNAMES=http", "descriptor 3 (\"http\")"},
    };
    for (const Row& row : table) {
        const RunResult result =
            run({"sh", "-c", "LISTEN_PID=$$ " + row.before + " exec \"$@\" 3</dev/null", "sh",
                 fsrv_binary(), "--host", "127.0.0.1", "--port", "0", root_.str()});
        EXPECT_EQ(result.exit_status, 3) << result.err;
        EXPECT_NE(result.err.find(row.message), std::string::npos) << result.err;
    }
}

} // namespace
} // namespace fsrv::test
