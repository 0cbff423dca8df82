// The server in a terminal that is closed.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fsrv::test {
namespace {

class InATerminal : public testing::Test {
  protected:
    InATerminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
        EXPECT_TRUE(master_);
        ::grantpt(master_.get());
        ::unlockpt(master_.get());
        name_ = ::ptsname(master_.get());
        write_pattern(root_ / "t.bin", 1000);
        write_pattern(root_ / "big.bin", 6 << 20);
    }
    // In the child: leads a session of its own, in this terminal.
    void enter() const {
        ::signal(SIGHUP, SIG_DFL); // whatever the tests were started by
        ::setsid();
        const int slave = ::open(name_.c_str(), O_RDWR | O_CLOEXEC);
        ::ioctl(slave, TIOCSCTTY, 0);
    }
    void close_terminal() { master_.reset(); }
    // A signal that waits would swallow the next one.
    static bool has_taken_its_signals(pid_t pid) {
        return await([&] {
            auto status = process_status(pid);
            return std::strtoull(status["ShdPnd"].c_str(), nullptr, 16) == 0;
        });
    }
    static void expect_reload(Server& server) {
        server.signal(SIGHUP);
        EXPECT_TRUE(server.log().await_line("reloaded: ")) << server.log().text();
        EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    }
    TempDir root_;
    UniqueFd master_;
    std::string name_;
};

TEST_F(InATerminal, TheServerEndsGracefullyWhenItIsClosed) {
    Server server(root_.path(), {.args = {"--workers", "1"}, .before_exec = [&] { enter(); }});
    ASSERT_TRUE(server.started());
    expect_reload(server); // asked for, it is no end
    RawClient client(server.port(), {.receive_buffer = 65536});
    client.send(get("/big.bin"));
    EXPECT_EQ(client.read_head().status, 200);
    close_terminal();
    EXPECT_TRUE(server.log().await_line("the terminal has hung up")) << server.log().text();
    EXPECT_TRUE(is_pattern(client.read_bytes(6 << 20), 0, 6 << 20)) << "what was under way";
    client.close();
    const auto status = server.await_exit();
    ASSERT_TRUE(status);
    EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0) << *status;
}

TEST_F(InATerminal, WithNohupItLivesOn) {
    Server server(root_.path(), {.args = {"--workers", "1"}, .before_exec = [&] {
                                     enter();
                                     ::signal(SIGHUP, SIG_IGN);
                                 }});
    ASSERT_TRUE(server.started());
    close_terminal();
    EXPECT_TRUE(has_taken_its_signals(server.pid()));
    expect_reload(server);
    EXPECT_EQ(server.log().count("hung up"), 0U) << server.log().text();
}

// The terminal is another session's.
TEST_F(InATerminal, WithSetsidItLivesOn) {
    if (!have_program("setsid")) GTEST_SKIP() << "setsid is not installed";
    Server server(root_.path(), {.args = {"--workers", "1"},
                                 .wrapper = {"setsid", "--wait"},
                                 .before_exec = [&] { enter(); }});
    ASSERT_TRUE(server.started());
    close_terminal();
    expect_reload(server);
    EXPECT_EQ(server.log().count("hung up"), 0U) << server.log().text();
    server.signal(SIGTERM);
    server.await_exit(); // that of setsid, by the hang-up
    EXPECT_TRUE(server.log().await_finished());
}

// Bash, like others, sends a SIGHUP of its own to what runs in its background.
TEST_F(InATerminal, AJobInTheBackgroundOfTheShellEndsToo) {
    if (!have_program("bash")) GTEST_SKIP() << "bash is not installed";
    Server server(root_.path(), {.args = {"--workers", "1"},
                                 .wrapper = {"bash", "--norc", "-ic", "\"$@\" & wait", "bash"},
                                 .before_exec = [&] { enter(); }});
    ASSERT_TRUE(server.started());
    expect_reload(server);
    close_terminal();
    EXPECT_TRUE(server.log().await_line("the terminal has hung up")) << server.log().text();
    server.await_exit(); // the shell; the log ends with the server
    EXPECT_TRUE(server.log().await_finished());
}

} // namespace
} // namespace fsrv::test
