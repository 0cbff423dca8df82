#include "supervisor/sockets/unix_listener.h"

#include "common/passed_fd.h"
#include "tests/support/await.h"
#include "tests/support/files.h"

#include <cstring>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

namespace fsrv {
namespace {

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    return address;
}

bool can_connect(const std::string& path) {
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(path);
    return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool exists(const std::string& path) {
    struct stat st {};
    return lstat(path.c_str(), &st) == 0;
}

// As a server that was killed leaves it.
void leave_stale(const std::string& path) {
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(path);
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
}

class UnixListenerTest : public testing::Test {
  protected:
    test::TempDir dir_;
    std::string path_ = (dir_ / "s").string();
};

TEST_F(UnixListenerTest, ListensForAGroup) {
    if (geteuid() != 0) GTEST_SKIP() << "only root gives files to others";
    constexpr gid_t kGroup = 4711;
    const auto listener = UnixListener::open({.path = path_, .mode = 0660, .group = kGroup});
    ASSERT_TRUE(listener) << listener.error().message;
    struct stat st {};
    ASSERT_EQ(stat(path_.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0660U);
    EXPECT_EQ(st.st_uid, 0U);
    EXPECT_EQ(st.st_gid, kGroup);
}

// What a client attaches could put who drops it to sleep.
TEST_F(UnixListenerTest, NoDescriptorComesAlong) {
    const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!refuse_descriptors(probe.get())) GTEST_SKIP() << "before Linux 6.16";
    for (const bool taken_over : {false, true}) {
        std::optional<UnixListener> listener;
        if (taken_over) {
            const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
            const sockaddr_un address = address_of(path_ + "2");
            ASSERT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
                      0);
            ASSERT_EQ(listen(fd.get(), 1), 0);
            listener = UnixListener::take_over(UniqueFd(dup(fd.get())), path_ + "2");
        } else {
            auto opened = UnixListener::open({.path = path_});
            ASSERT_TRUE(opened) << opened.error().message;
            listener = std::move(*opened);
        }
        const UniqueFd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const sockaddr_un address = address_of(listener->path());
        ASSERT_EQ(
            connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        for (const bool accepted : {false, true}) {
            const UniqueFd server(accepted ? accept(listener->fd(), nullptr, nullptr) : -1);
            char byte = 'x';
            iovec part{.iov_base = &byte, .iov_len = 1};
            msghdr message{};
            message.msg_iov = &part;
            message.msg_iovlen = 1;
            PassedFd passed;
            passed.put(message, client.get());
            EXPECT_LT(sendmsg(client.get(), &message, MSG_NOSIGNAL), 0) << accepted;
            EXPECT_EQ(errno, EPERM) << accepted;
            EXPECT_EQ(send(client.get(), "x", 1, MSG_NOSIGNAL), 1) << accepted;
        }
    }
}

TEST_F(UnixListenerTest, ListensForEverybodyWhoMayEnterTheFolder) {
    const mode_t before = umask(0077);
    const auto listener = UnixListener::open({.path = path_});
    EXPECT_EQ(umask(before), 0077U) << "ours is back";
    ASSERT_TRUE(listener) << listener.error().message;
    EXPECT_TRUE(can_connect(path_));
    struct stat st {};
    ASSERT_EQ(stat(path_.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0666U);
    EXPECT_NE(fcntl(listener->fd(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(fcntl(listener->fd(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(UnixListenerTest, RemovesItsFileAtTheEnd) {
    { const auto listener = UnixListener::open({.path = path_}); }
    EXPECT_FALSE(exists(path_));
    auto listener = UnixListener::open({.path = path_});
    const UniqueFd copy(dup(listener->fd()));
    listener->stop_listening();
    EXPECT_FALSE(exists(path_));
}

TEST_F(UnixListenerTest, AfterTheEndConnectionsAreRefusedAlsoWhereAnotherProcessHoldsACopy) {
    auto listener = UnixListener::open({.path = path_});
    const UniqueFd copy(dup(listener->fd()));
    const std::string other_name = (dir_ / "linked").string();
    ASSERT_EQ(link(path_.c_str(), other_name.c_str()), 0);
    EXPECT_TRUE(can_connect(other_name));
    listener->stop_listening();
    EXPECT_FALSE(can_connect(other_name));
}

TEST_F(UnixListenerTest, ReplacesAStaleFile) {
    leave_stale(path_);
    const auto listener = UnixListener::open({.path = path_});
    ASSERT_TRUE(listener) << listener.error().message;
    EXPECT_TRUE(can_connect(path_));
}

TEST_F(UnixListenerTest, NeverReplacesALiveOne) {
    const auto listener = UnixListener::open({.path = path_});
    const auto second = UnixListener::open({.path = path_});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().exit_status, kExitBind);
    EXPECT_NE(second.error().message.find(path_), std::string::npos);
    EXPECT_TRUE(can_connect(path_)) << "the first one goes on";
}

TEST_F(UnixListenerTest, ALiveOneWhoseQueueIsFullIsAlive) {
    const UniqueFd busy(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(path_);
    ASSERT_EQ(bind(busy.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(busy.get(), 0), 0);
    std::vector<UniqueFd> queue;
    for (bool full = false; !full;) {
        queue.push_back(UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)));
        full = connect(queue.back().get(), reinterpret_cast<const sockaddr*>(&address),
                       sizeof address) != 0;
    }
    const auto second = UnixListener::open({.path = path_});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().exit_status, kExitBind);
    EXPECT_TRUE(exists(path_));
}

TEST_F(UnixListenerTest, NeverRemovesWhatIsNoSocket) {
    const std::pair<const char*, std::function<void(const std::string&)>> table[] = {
        {"file", [](const std::string& p) { test::write_file(p, "precious"); }},
        {"folder", [](const std::string& p) { mkdir(p.c_str(), 0755); }},
        {"fifo", [](const std::string& p) { mkfifo(p.c_str(), 0644); }},
        {"link", [](const std::string& p) { ASSERT_EQ(symlink("nowhere", p.c_str()), 0); }},
    };
    for (const auto& [name, make] : table) {
        const std::string path = (dir_ / name).string();
        make(path);
        const auto listener = UnixListener::open({.path = path});
        ASSERT_FALSE(listener) << name;
        EXPECT_EQ(listener.error().exit_status, kExitBind);
        EXPECT_TRUE(exists(path)) << name;
    }
}

TEST_F(UnixListenerTest, LeavesAFileThatIsNoLongerItsOwn) {
    auto first = UnixListener::open({.path = path_});
    ASSERT_EQ(unlink(path_.c_str()), 0);
    const auto second = UnixListener::open({.path = path_});
    ASSERT_TRUE(second);
    first->stop_listening();
    EXPECT_TRUE(can_connect(path_));
}

TEST_F(UnixListenerTest, TheLongestPathIs107Bytes) {
    std::string path = path_;
    path.append(107 - path.size(), 'x');
    EXPECT_TRUE(UnixListener::open({.path = path})) << path.size();
    path += 'x';
    const auto refused = UnixListener::open({.path = path});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().exit_status, kExitUsage);
    EXPECT_NE(refused.error().message.find("107"), std::string::npos) << refused.error().message;
}

TEST_F(UnixListenerTest, AMissingFolderIsNamed) {
    const auto refused = UnixListener::open({.path = (dir_ / "no" / "s").string()});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().exit_status, kExitBind);
    EXPECT_NE(refused.error().message.find("ENOENT"), std::string::npos) << refused.error().message;
}

TEST_F(UnixListenerTest, OfManyThatFindAStaleFileOneReplacesIt) {
    for (int round = 0; round < 10; ++round) {
        const std::string path = (dir_ / ("r" + std::to_string(round))).string();
        leave_stale(path);
        int hold[2];
        ASSERT_EQ(pipe(hold), 0);
        std::vector<pid_t> rivals;
        for (int i = 0; i < 5; ++i) {
            rivals.push_back(fork());
            if (rivals.back() == 0) {
                close(hold[1]);
                const auto listener = UnixListener::open({.path = path});
                if (!listener) _exit(listener.error().exit_status);
                char byte;
                [[maybe_unused]] const ssize_t n = read(hold[0], &byte, 1);
                _exit(0);
            }
        }
        close(hold[0]);
        std::map<int, int> statuses;
        for (int i = 0; i < 4; ++i) {
            int status = 0;
            ASSERT_TRUE(test::await([&] { return waitpid(-1, &status, WNOHANG) > 0; }));
            ++statuses[WEXITSTATUS(status)];
        }
        EXPECT_EQ(statuses, (std::map<int, int>{{kExitBind, 4}}));
        EXPECT_TRUE(can_connect(path));
        close(hold[1]);
        int status = 0;
        ASSERT_TRUE(test::await([&] { return waitpid(-1, &status, WNOHANG) > 0; }));
        EXPECT_EQ(WEXITSTATUS(status), 0);
    }
}

} // namespace
} // namespace fsrv
