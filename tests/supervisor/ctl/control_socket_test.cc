// The socket of --ctl: real clients of it, well behaved and not.

#include "supervisor/ctl/control_socket.h"

#include "supervisor/ctl/control_client.h"
#include "supervisor/ctl/ctl_call.h"
#include "tests/support/await.h"
#include "tests/support/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fsrv {
namespace {

class ControlSocketTest : public testing::Test {
  protected:
    ControlSocketTest() : path_((dir_ / "c").string()), socket_(open()) {}
    ControlSocket open() {
        auto socket = ControlSocket::open(path_);
        EXPECT_TRUE(socket);
        return std::move(*socket);
    }
    UniqueFd connect() {
        UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        const sockaddr_un address = unix_address(path_);
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
                  0);
        return fd;
    }
    static void say(const UniqueFd& fd, std::string_view text) {
        EXPECT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(text.size()));
    }
    // What came, "(end)" at the end, "" when nothing did.
    static std::string hear(const UniqueFd& fd) {
        std::string bytes(100'000, '\0');
        const ssize_t size = recv(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (size == 0) return "(end)";
        return size < 0 ? "" : bytes.substr(0, static_cast<std::size_t>(size));
    }

    test::TempDir dir_;
    std::string path_;
    ControlSocket socket_;
};

TEST_F(ControlSocketTest, IsForItsOwnUserAlone) {
    struct stat st {};
    ASSERT_EQ(stat(path_.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600U);
    EXPECT_FALSE(ControlSocket::open(path_)) << "a living server's is not replaced";
}

TEST_F(ControlSocketTest, AQuestionIsAnsweredOnceAndThatIsTheEnd) {
    const UniqueFd good = connect(), bad = connect();
    say(good, "status");
    say(bad, "reload");
    const auto requests = socket_.take_requests();
    ASSERT_EQ(requests.size(), 2U);
    EXPECT_EQ(requests[0].text, "status");
    EXPECT_EQ(requests[1].text, "reload");
    EXPECT_TRUE(socket_.take_requests().empty());
    socket_.answer(requests[0].client, true, "all is well");
    socket_.answer(requests[1].client, false, "no");
    socket_.answer(requests[1].client, false, "no");
    EXPECT_EQ(hear(good), "0all is well");
    EXPECT_EQ(hear(good), "(end)");
    EXPECT_EQ(hear(bad), "1no");
}

TEST_F(ControlSocketTest, WhoAsksTwiceOrTooMuchOrHangsUpIsForgotten) {
    const UniqueFd twice = connect(), much = connect();
    say(twice, "status");
    EXPECT_EQ(socket_.take_requests().size(), 1U);
    say(twice, "status");
    say(much, std::string(65, 'x'));
    connect();
    EXPECT_TRUE(socket_.take_requests().empty());
    EXPECT_EQ(hear(twice), "(end)");
    EXPECT_EQ(hear(much), "(end)");
    std::vector<pollfd> fds;
    socket_.append_fds(fds);
    EXPECT_EQ(fds.size(), 1U) << "the listener is left";
}

TEST_F(ControlSocketTest, TheSilentMakeRoomForOthers) {
    std::vector<UniqueFd> silent;
    for (std::size_t i = 0; i < kMaxControlClients; ++i) silent.push_back(connect());
    EXPECT_TRUE(socket_.take_requests().empty());
    const UniqueFd late = connect();
    say(late, "status");
    EXPECT_EQ(socket_.take_requests().size(), 1U);
    EXPECT_EQ(hear(silent[0]), "(end)");
    EXPECT_EQ(hear(silent[1]), "");
}

TEST_F(ControlSocketTest, AsManyAsWaitForAVerdictKeepTheirPlace) {
    std::vector<UniqueFd> waiting;
    for (std::size_t i = 0; i < kMaxControlClients; ++i) {
        waiting.push_back(connect());
        say(waiting.back(), "reload");
    }
    EXPECT_EQ(socket_.take_requests().size(), kMaxControlClients);
    const UniqueFd late = connect();
    EXPECT_TRUE(socket_.take_requests().empty());
    EXPECT_EQ(hear(late), "(end)");
    EXPECT_EQ(hear(waiting[0]), "");
}

TEST_F(ControlSocketTest, ALongAnswerArrivesWhole) {
    const UniqueFd fd = connect();
    say(fd, "status");
    const auto requests = socket_.take_requests();
    ASSERT_EQ(requests.size(), 1U);
    const std::string text(90'000, 'x');
    socket_.answer(requests[0].client, true, text);
    EXPECT_EQ(hear(fd), "0" + text);
}

TEST_F(ControlSocketTest, ADescriptorTravelsWithTheVerdict) {
    auto call = CtlCall::ask(unix_address(path_), "top");
    ASSERT_TRUE(call);
    EXPECT_FALSE(call->receive().value()) << "no verdict yet";
    const auto requests = socket_.take_requests();
    ASSERT_EQ(requests.size(), 1U);
    int ends[2] = {-1, -1};
    ASSERT_EQ(pipe(ends), 0);
    const UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    socket_.answer(requests[0].client, true, "here", write_end.get());
    EXPECT_EQ(fcntl(write_end.get(), F_GETFD), 0) << "stays the server's";
    const auto reply = call->receive().value();
    ASSERT_TRUE(reply);
    EXPECT_TRUE(reply->good);
    EXPECT_EQ(reply->text, "here");
    ASSERT_TRUE(reply->fd);
    EXPECT_EQ(fcntl(reply->fd.get(), F_GETFD), FD_CLOEXEC);
    write_end.reset();
    char byte = 0;
    EXPECT_EQ(write(reply->fd.get(), "x", 1), 1);
    EXPECT_EQ(read(read_end.get(), &byte, 1), 1);
}

TEST_F(ControlSocketTest, WhoAsksLearnsThatThereWillBeNoVerdict) {
    auto call = CtlCall::ask(unix_address(path_), "top");
    ASSERT_TRUE(call);
    EXPECT_EQ(socket_.take_requests().size(), 1U);
    socket_.forget();
    EXPECT_EQ(call->receive().error().code, ECONNRESET);
    EXPECT_EQ(CtlCall::ask(unix_address(path_), "top").error().code, ECONNREFUSED);
    EXPECT_EQ(CtlCall::ask(unix_address(path_ + "x"), "top").error().code, ENOENT);
}

// Nobody waits for whom the answers are not read by.
TEST_F(ControlSocketTest, WhoDoesNotReadHoldsNobodyUp) {
    std::vector<UniqueFd> deaf;
    for (std::size_t i = 0; i < 3 * kMaxControlClients; ++i) {
        deaf.push_back(connect());
        say(deaf.back(), "top");
        for (const auto& request : socket_.take_requests())
            socket_.answer(request.client, true, "", socket_.fd());
    }
    const UniqueFd late = connect();
    say(late, "status");
    EXPECT_EQ(socket_.take_requests().size(), 1U);
}

TEST_F(ControlSocketTest, ForgettingLeavesTheFile) {
    socket_.forget();
    std::vector<pollfd> fds;
    socket_.append_fds(fds);
    EXPECT_TRUE(fds.empty());
    EXPECT_TRUE(socket_.take_requests().empty());
    EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST(ControlPath, IsTheOptionOrInTheRuntimeDirectory) {
    const auto path = [](std::string option, const char* folder) {
        return control_path(Options{.control = std::move(option)}, folder);
    };
    EXPECT_EQ(path("", nullptr), "");
    EXPECT_EQ(path("", ""), "");
    EXPECT_EQ(path("", "/run/fsrv"), "/run/fsrv/control.sock");
    EXPECT_EQ(path("", "/run/a:/run/b"), "/run/a/control.sock");
    EXPECT_EQ(path("/x", "/run/fsrv"), "/x");
    EXPECT_EQ(path("off", "/run/fsrv"), "");
}

// Of a server that has been taken over, or is none: its answer ends on a terminal.
TEST_F(ControlSocketTest, AnAnswerIsPrintedWithoutWhatATerminalWouldObey) {
    int ends[2] = {-1, -1};
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd out(ends[0]);
    UniqueFd in(ends[1]);
    const pid_t asking = fork();
    if (asking == 0) {
        dup2(in.get(), STDOUT_FILENO);
        dup2(in.get(), STDERR_FILENO);
        _exit(run_ctl("status", path_, nullptr));
    }
    in.reset();
    std::vector<ControlSocket::Request> requests;
    ASSERT_TRUE(test::await([&] {
        requests = socket_.take_requests();
        return !requests.empty();
    }));
    socket_.answer(requests[0].client, true,
                   "one\x1b]0;title\x07\ntwo\xc2\x9b"
                   "2J \u202e\n");
    const auto status = test::await_child(asking);
    EXPECT_TRUE(status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0);
    char printed[1000];
    const ssize_t size = read(out.get(), printed, sizeof printed);
    ASSERT_GT(size, 0);
    EXPECT_EQ(std::string_view(printed, static_cast<std::size_t>(size)),
              "one\\x1b]0;title\\x07\ntwo\\xc2\\x9b2J \\xe2\\x80\\xae\n\n");
}

} // namespace
} // namespace fsrv
