// fsrv --ctl top with a real server: through a pipe, and in a terminal of its own.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

namespace fsrv::test {
namespace {

constexpr std::uint64_t kSize = 64 << 20;
constexpr std::string_view kEnter = "\x1b[?1049h", kLeave = "\x1b[?1049l";

// A program in a terminal, of which the last picture is kept.
class InTerminal final {
  public:
    InTerminal(const std::vector<std::string>& command, const std::vector<std::string>& more,
               unsigned short columns = 80, unsigned short rows = 24) {
        master_.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
        if (::grantpt(master_.get()) != 0 || ::unlockpt(master_.get()) != 0) std::abort();
        const std::string name = ::ptsname(master_.get());
        slave_.reset(::open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
        resize(columns, rows);
        ::tcgetattr(slave_.get(), &before_);
        std::vector<char*> argv;
        for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        std::vector<std::string> variables = more; // the first of a name counts
        variables.insert(variables.end(), {"TERM=xterm", "LC_ALL=C.UTF-8"});
        std::vector<char*> envp = environment_with(variables);
        pid_ = ::fork();
        if (pid_ != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::setsid();
        ::ioctl(slave_.get(), TIOCSCTTY, 0);
        for (int fd = 0; fd < 3; ++fd) ::dup2(slave_.get(), fd);
        ::execvpe(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    ~InTerminal() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        await_child(pid_);
    }

    void resize(unsigned short columns, unsigned short rows) {
        const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
        EXPECT_EQ(::ioctl(master_.get(), TIOCSWINSZ, &size), 0);
    }
    void type(std::string_view keys) {
        EXPECT_EQ(::write(master_.get(), keys.data(), keys.size()),
                  static_cast<ssize_t>(keys.size()));
    }
    void signal(int number) { ::kill(pid_, number); }

    // All that came so far.
    const std::string& text() const { return text_; }
    // False: it never came.
    bool await_text(std::string_view part, std::size_t from = 0) {
        for (const Deadline deadline; text_.find(part, from) == text_.npos;)
            if (!read_more(deadline)) return false;
        return true;
    }
    // A picture with all of `parts`, begun from now on.
    bool await_picture(const std::vector<std::string>& parts) {
        const std::size_t from = text_.size();
        for (const Deadline deadline;;) {
            const std::string now = picture(from);
            if (std::all_of(parts.begin(), parts.end(),
                            [&](const std::string& p) { return now.find(p) != now.npos; }))
                return true;
            if (!read_more(deadline)) break;
        }
        ADD_FAILURE() << picture(from);
        return false;
    }
    // The last whole one, without what colours it.
    std::string picture(std::size_t from = 0) const {
        std::size_t end = text_.rfind("\x1b[H");
        if (text_.ends_with("\x1b[J")) end = text_.size();
        if (end == text_.npos || end <= from) return {};
        const std::size_t begin = text_.rfind("\x1b[H", end - 1);
        if (begin == text_.npos || begin < from) return {};
        std::string shown = text_.substr(begin, end - begin);
        for (std::size_t at = shown.find("\x1b["); at != shown.npos; at = shown.find("\x1b["))
            shown.erase(at, shown.find_first_of("HJKmhl", at) + 1 - at);
        return shown;
    }
    int wait() { // the wait status
        const auto status = await_child(pid_);
        if (!status) return -1;
        pid_ = -1;
        while (await_fd(master_.get(), POLLIN, Deadline(std::chrono::milliseconds(0))) &&
               read_more(Deadline()))
            ;
        return *status;
    }
    void expect_as_before() {
        termios now{};
        ASSERT_EQ(::tcgetattr(slave_.get(), &now), 0);
        EXPECT_EQ(now.c_lflag, before_.c_lflag);
        EXPECT_EQ(now.c_iflag, before_.c_iflag);
        EXPECT_EQ(now.c_oflag, before_.c_oflag);
        const std::size_t left = text_.rfind(kLeave);
        ASSERT_NE(left, text_.npos);
        EXPECT_EQ(text_.find(kEnter, left), text_.npos);
        EXPECT_NE(text_.find("\x1b[?25h"), text_.npos) << "the cursor is seen";
    }
    bool is_as_before() {
        termios now{};
        return ::tcgetattr(slave_.get(), &now) == 0 && now.c_lflag == before_.c_lflag;
    }

  private:
    bool read_more(const Deadline& deadline) {
        char bytes[4096];
        if (!await_fd(master_.get(), POLLIN, deadline)) return false;
        const ssize_t n = ::read(master_.get(), bytes, sizeof bytes);
        if (n <= 0) return false;
        text_.append(bytes, static_cast<std::size_t>(n));
        return true;
    }

    UniqueFd master_, slave_;
    termios before_{};
    pid_t pid_ = -1;
    std::string text_;
};

class Top : public testing::Test {
  protected:
    Top() {
        make_sparse(root_ / "big.bin", kSize);
        make_sparse(root_ / "\x1b[31m\u202E日本.bin", kSize);
    }
    ServerSetup setup(std::vector<std::string> args = {"--workers", "1"}) {
        args.insert(args.end(), {"--control", socket_, "--access-log", "off"});
        return {.args = std::move(args)};
    }
    std::vector<std::string> top() const {
        return {fsrv_binary(), "--control", socket_, "--ctl", "top"};
    }
    RunResult ctl(std::string_view word) const {
        return run({fsrv_binary(), "--control", socket_, "--ctl", std::string(word)});
    }
    // A client that has read the head of it, and goes on when it likes.
    static std::unique_ptr<RawClient> begin(const Server& server, std::string_view target) {
        auto client =
            std::make_unique<RawClient>(server.port(), ClientSetup{.receive_buffer = 4096});
        client->send(get(target));
        EXPECT_EQ(client->read_head().status, 200);
        return client;
    }

    TempDir root_, conf_;
    std::string socket_ = (conf_ / "c").string();
};

TEST_F(Top, APipeGetsOnePictureAndTheEnd) {
    Server server(root_.path(), setup());
    const auto download = begin(server, "/big.bin");
    RunResult result;
    EXPECT_TRUE(await([&] {
        result = run(top());
        return result.exit_status != 0 || result.out.find("/big.bin\n") != std::string::npos;
    }));
    ASSERT_TRUE(ran_well(result, "top"));
    for (const std::string& part :
         {std::string("ready"), "pid " + std::to_string(server.pid()), std::string("1 of 1 ready"),
          std::to_string(server.workers().at(0)), std::string("127.0.0.1 port "),
          std::string(" of 64.0 MiB")})
        EXPECT_NE(result.out.find(part), std::string::npos) << part << "\n" << result.out;
    EXPECT_EQ(result.out.find('\x1b'), std::string::npos);
    EXPECT_EQ(result.err, "");
}

TEST_F(Top, ItsSocketIsFoundAsForTheOtherCommands) {
    Server server(root_.path(), setup());
    const RunResult found =
        run({fsrv_binary(), "--ctl", "top"},
            {.environment = {"FSRV_CONTROL=" + socket_}, .directory = {}, .input = {}});
    EXPECT_TRUE(ran_well(found, "top"));
    server.stop();
    const RunResult nobody = run(top());
    EXPECT_EQ(nobody.exit_status, 1);
    EXPECT_NE(nobody.err.find("no server listens on"), std::string::npos) << nobody.err;
}

TEST_F(Top, ATerminalGetsPicturesUntilSomebodyLeaves) {
    Server server(root_.path(), setup());
    const auto download = begin(server, "/big.bin");
    for (const std::string_view key : {"q", "Q", "\x03"}) { // the last one is Ctrl-C
        InTerminal terminal(top(), {});
        EXPECT_TRUE(terminal.await_picture({"ready", "PROGRESS", "127.0.0.1", "/big.bin"}));
        EXPECT_FALSE(terminal.is_as_before());
        terminal.type("x\x1b[A");
        EXPECT_TRUE(terminal.await_picture({"/big.bin"})) << "other keys do nothing";
        terminal.type(key);
        const int status = terminal.wait();
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
        terminal.expect_as_before();
    }
}

TEST_F(Top, ForeignNamesDoNothingToTheTerminal) {
    Server server(root_.path(), setup());
    const auto download = begin(server, "/%1B%5B31m%E2%80%AE%E6%97%A5%E6%9C%AC.bin");
    InTerminal terminal(top(), {"NO_COLOR=1"}, 120);
    EXPECT_TRUE(terminal.await_picture({"/\\x1b[31m\\xe2\\x80\\xae日本.bin"}));
    EXPECT_EQ(terminal.text().find("31m\xE2"), std::string::npos);
    for (std::size_t at = terminal.text().find('\x1b'); at != std::string::npos;
         at = terminal.text().find('\x1b', at + 1))
        EXPECT_NE(terminal.text().at(terminal.text().find_first_of("HJKmhl", at)), 'm')
            << "NO_COLOR";
    InTerminal ascii(top(), {"LC_ALL=C"}, 120);
    EXPECT_TRUE(ascii.await_picture({"\\xe6\\x97\\xa5"}));
    EXPECT_TRUE(std::all_of(ascii.text().begin(), ascii.text().end(),
                            [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
    EXPECT_NE(ascii.text().find("\x1b[32mready"), std::string::npos) << "colours, where allowed";
}

TEST_F(Top, FollowsTheSizeOfItsTerminal) {
    Server server(root_.path(), setup());
    InTerminal terminal(top(), {"NO_COLOR=1"}, 80, 24);
    EXPECT_TRUE(terminal.await_picture({"Connections", "PROGRESS"}));
    terminal.resize(40, 6);
    EXPECT_TRUE(await([&] {
        return terminal.await_picture({"DOWNLOAD"}) &&
               terminal.picture().find("PROGRESS") == std::string::npos;
    }));
    const std::string small = terminal.picture();
    EXPECT_LT(std::count(small.begin(), small.end(), '\n'), 6) << small;
    terminal.resize(0, 0);
    EXPECT_TRUE(terminal.await_picture({"PROGRESS"})) << "unknown: as if it were the usual";
}

TEST_F(Top, GivesTheTerminalBackWhenItIsKilled) {
    Server server(root_.path(), setup());
    for (const int number : {SIGTERM, SIGHUP}) {
        InTerminal terminal(top(), {});
        EXPECT_TRUE(terminal.await_picture({"ready"}));
        terminal.signal(number);
        const int status = terminal.wait();
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == number) << status;
        terminal.expect_as_before();
    }
}

TEST_F(Top, GivesTheTerminalBackWhileItIsStopped) {
    Server server(root_.path(), setup());
    // Under a shell that goes on meanwhile: in a session without one nobody could continue it.
    const std::string script = "set -m; " + fsrv_binary() + " --control " + socket_ +
                               " --ctl top; echo stopped; fg >/dev/null; echo status $?";
    InTerminal terminal({"bash", "-c", script}, {});
    EXPECT_TRUE(terminal.await_picture({"ready"}));
    terminal.type("\x1a");
    ASSERT_TRUE(terminal.await_text("stopped"));
    const std::size_t stopped = terminal.text().find("stopped");
    EXPECT_LT(terminal.text().find(kLeave), stopped);
    EXPECT_TRUE(terminal.await_text(kEnter, stopped)) << "and takes it anew";
    EXPECT_TRUE(terminal.await_picture({"ready"}));
    terminal.type("q");
    EXPECT_TRUE(terminal.await_text("status 0"));
    terminal.wait();
    terminal.expect_as_before();
}

TEST_F(Top, SaysThatTheServerHasEnded) {
    for (const int number : {SIGTERM, SIGKILL}) {
        Server server(root_.path(), setup());
        if (number == SIGKILL) server.expect_trouble("the supervisor is gone");
        InTerminal terminal(top(), {});
        EXPECT_TRUE(terminal.await_picture({"ready"}));
        server.signal(number);
        server.await_exit();
        const int status = terminal.wait();
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
        terminal.expect_as_before();
        EXPECT_NE(terminal.text().find("fsrv: the server has ended", terminal.text().rfind(kLeave)),
                  std::string::npos);
    }
}

TEST_F(Top, GoesOnOverAReloadAndAnUpgradeWithTheDownloadsOfBefore) {
    Server server(root_.path(), setup());
    const auto download = begin(server, "/big.bin");
    InTerminal terminal(top(), {});
    EXPECT_TRUE(terminal.await_picture({"generation 1", "/big.bin"}));
    ASSERT_TRUE(ran_well(ctl("reload"), "reload"));
    EXPECT_TRUE(terminal.await_picture({"generation 2", "/big.bin", "draining"}));
    ASSERT_TRUE(ran_well(ctl("upgrade"), "upgrade"));
    server.follow();
    EXPECT_TRUE(terminal.await_picture({"generation 1", "pid " + std::to_string(server.pid()),
                                        "/big.bin", "draining", "1 of 1 ready"}));
    EXPECT_EQ(download->read_bytes(kSize).size(), kSize);
    EXPECT_TRUE(terminal.await_picture({"Nobody downloads anything"}));
    terminal.type("q");
    const int status = terminal.wait();
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(Top, GoesOnWhileTheSupervisorStandsStill) {
    Server server(root_.path(), setup());
    InTerminal terminal(top(), {});
    EXPECT_TRUE(terminal.await_picture({"ready"}));
    server.signal(SIGSTOP);
    EXPECT_TRUE(terminal.await_picture({"ready", "The supervisor has not answered for"}));
    server.signal(SIGCONT);
    EXPECT_TRUE(await([&] {
        return terminal.await_picture({"ready"}) &&
               terminal.picture().find("has not answered") == std::string::npos;
    }));
    terminal.type("q");
    terminal.wait();
}

TEST_F(Top, ManyWhoLookHoldNobodyUp) {
    Server server(root_.path(), setup());
    std::vector<std::unique_ptr<InTerminal>> all;
    for (int i = 0; i < 20; ++i)
        all.push_back(std::make_unique<InTerminal>(top(), std::vector<std::string>{}));
    for (const auto& terminal : all) EXPECT_TRUE(terminal->await_picture({"ready"}));
    EXPECT_EQ(ctl("status").exit_status, 0);
    EXPECT_EQ(fetch(server.port(), "/big.bin", "Range: bytes=0-9\r\n").status, 206);
}

} // namespace
} // namespace fsrv::test
