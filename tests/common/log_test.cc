#include "common/check.h"
#include "common/escape.h"
#include "common/log.h"
#include "common/unique_fd.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fsrv {
namespace {

struct Ends {
    UniqueFd reader;
    UniqueFd writer;
};

Ends make_pipe() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Ends make_sockets() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// The log is one for the process, so each case has a process, whose stderr `fd` is. Its wait
// status.
int in_child(int fd, const std::function<void()>& log_something) {
    const pid_t child = fork();
    EXPECT_GE(child, 0);
    if (child == 0) {
        std::signal(SIGPIPE, SIG_DFL);
        if (dup2(fd, STDERR_FILENO) < 0) _exit(99);
        log_init();
        log_something();
        _exit(0);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
}

std::string read_all(const UniqueFd& fd) {
    std::string all;
    std::array<char, 65536> buffer{};
    for (;;) {
        const ssize_t n = read(fd.get(), buffer.data(), buffer.size());
        if (n <= 0) return all;
        all.append(buffer.data(), static_cast<std::size_t>(n));
    }
}

// What a process writes to a pipe, its pid as "PID".
std::string logged(const std::function<void()>& log_something) {
    Ends pipe = make_pipe();
    EXPECT_EQ(in_child(pipe.writer.get(), log_something), 0);
    pipe.writer.reset();
    std::string text = read_all(pipe.reader);
    const std::size_t open = text.find('[');
    const std::size_t close = text.find(']');
    if (close != std::string::npos) text.replace(open, close - open, "[PID");
    return text;
}

void set_non_blocking(int fd) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

// Until the kernel takes no more. The description is made blocking again.
void fill(int fd) {
    const int flags = fcntl(fd, F_GETFL);
    set_non_blocking(fd);
    const std::array<char, 4096> filler{};
    while (write(fd, filler.data(), filler.size()) > 0) {
    }
    while (write(fd, filler.data(), 1) > 0) {
    }
    fcntl(fd, F_SETFL, flags);
}

void drain(int fd) {
    set_non_blocking(fd);
    std::array<char, 65536> buffer{};
    while (read(fd, buffer.data(), buffer.size()) > 0) {
    }
}

TEST(Log, ALineNamesProgramProcessAndLevel) {
    EXPECT_EQ(logged([] { log_error("disk {} is gone", 3); }),
              "fsrv[PID]: error: disk 3 is gone\n");
    EXPECT_EQ(logged([] { log_warn("slot={} worker died", 2); }),
              "fsrv[PID]: warn: slot=2 worker died\n");
    EXPECT_EQ(logged([] { log_info("ready"); }), "fsrv[PID]: info: ready\n");
}

TEST(Log, OnlyWhatTheLevelAsksForIsWritten) {
    EXPECT_EQ(logged([] { log_debug("detail"); }), "");
    EXPECT_EQ(logged([] {
                  log_set_level(LogLevel::debug);
                  log_debug("detail");
              }),
              "fsrv[PID]: debug: detail\n");
    EXPECT_EQ(logged([] {
                  log_set_level(LogLevel::error);
                  log_warn("hm");
                  log_error("oh");
              }),
              "fsrv[PID]: error: oh\n");
}

TEST(Log, ForeignBytesCannotForgeALine) {
    EXPECT_EQ(logged([] { log_info("{}", "a\nfsrv[1]: error: \x1b[2J\xff"); }),
              "fsrv[PID]: info: a\\x0afsrv[1]: error: \\x1b[2J\\xff\n");
}

TEST(Log, ALongLineIsCutAt4096BytesBetweenCharacters) {
    for (const std::string_view character : {"x", "\xc3\xa9", "\xf0\x9f\x98\x80", "\n"}) {
        for (std::size_t shift = 0; shift < 4; ++shift) {
            Ends pipe = make_pipe();
            EXPECT_EQ(in_child(pipe.writer.get(),
                               [&] {
                                   std::string text(shift, '.');
                                   while (text.size() < 10'000) text += character;
                                   log_line(LogLevel::info, text);
                               }),
                      0);
            pipe.writer.reset();
            const std::string line = read_all(pipe.reader);
            EXPECT_LE(line.size(), 4096U);
            EXPECT_GT(line.size(), 4080U);
            EXPECT_TRUE(line.ends_with(" [cut]\n"));
            EXPECT_TRUE(is_utf8(line));
            EXPECT_EQ(line.find('\n'), line.size() - 1);
        }
    }
}

TEST(Log, ALineOfJust4096BytesIsWhole) {
    Ends pipe = make_pipe();
    EXPECT_EQ(in_child(pipe.writer.get(),
                       [] {
                           const auto head = fmt::format("fsrv[{}]: info: \n", getpid()).size();
                           log_line(LogLevel::info, std::string(4096 - head, 'x'));
                       }),
              0);
    pipe.writer.reset();
    const std::string line = read_all(pipe.reader);
    EXPECT_EQ(line.size(), 4096U);
    EXPECT_TRUE(line.ends_with("xxx\n"));
}

TEST(Log, APipeWithoutAReaderNeitherKillsNorBlocks) {
    Ends pipe = make_pipe();
    pipe.reader.reset(); // before the log is set up
    EXPECT_EQ(in_child(pipe.writer.get(), [] { log_error("into the void"); }), 0);
}

TEST(Log, AReaderThatLeavesNeitherKillsNorBlocks) {
    Ends pipe = make_pipe();
    EXPECT_EQ(in_child(pipe.writer.get(),
                       [&] {
                           log_error("heard");
                           pipe.reader.reset();
                           for (int i = 0; i < 100; ++i) log_error("into the void");
                       }),
              0);
}

TEST(Log, AFullPipeLosesLinesAndTheNextThatGoesThroughCountsThem) {
    Ends pipe = make_pipe();
    fill(pipe.writer.get());
    EXPECT_EQ(in_child(pipe.writer.get(),
                       [&] {
                           for (int i = 0; i < 3; ++i) log_error("lost");
                           drain(pipe.reader.get());
                           log_error("heard");
                           log_error("heard again");
                           fill(STDERR_FILENO);
                           log_error("lost");
                           drain(pipe.reader.get());
                           log_error("at last");
                       }),
              0);
    pipe.writer.reset();
    const std::string text = read_all(pipe.reader);
    EXPECT_NE(text.find("warn: 1 log lines were lost\n"), std::string::npos) << text;
    EXPECT_NE(text.find("error: at last\n"), std::string::npos) << text;
    EXPECT_EQ(text.find("error: lost"), std::string::npos) << text;
}

TEST(Log, TheCountComesBeforeTheLineThatGoesThrough) {
    Ends pipe = make_pipe();
    fill(pipe.writer.get());
    EXPECT_EQ(in_child(pipe.writer.get(),
                       [&] {
                           for (int i = 0; i < 3; ++i) log_error("lost");
                           drain(pipe.reader.get());
                           log_error("heard");
                           log_error("heard again");
                       }),
              0);
    pipe.writer.reset();
    const std::string text = read_all(pipe.reader);
    const std::size_t count = text.find("warn: 3 log lines were lost\n");
    const std::size_t heard = text.find("error: heard\n");
    const std::size_t again = text.find("error: heard again\n");
    EXPECT_TRUE(count < heard && heard < again && again != std::string::npos) << text;
    EXPECT_EQ(text.find("lost\n", count + 30), std::string::npos) << "counted once: " << text;
}

TEST(Log, OthersOfTheSamePipeStayBlocking) {
    const Ends pipe = make_pipe();
    EXPECT_EQ(in_child(pipe.writer.get(), [] { log_error("x"); }), 0);
    EXPECT_EQ(fcntl(pipe.writer.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(Log, ASocketThatTakesNothingNeitherKillsNorBlocks) {
    Ends sockets = make_sockets();
    fill(sockets.writer.get());
    EXPECT_EQ(in_child(sockets.writer.get(),
                       [&] {
                           log_error("lost");
                           drain(sockets.reader.get());
                           log_error("heard");
                       }),
              0);
    EXPECT_EQ(fcntl(sockets.writer.get(), F_GETFL) & O_NONBLOCK, 0);
    sockets.writer.reset();
    const std::string text = read_all(sockets.reader);
    EXPECT_NE(text.find("1 log lines were lost\n"), std::string::npos) << text;
    EXPECT_NE(text.find("error: heard\n"), std::string::npos) << text;
}

TEST(Log, ASocketWithoutAPeerNeitherKillsNorBlocks) {
    Ends sockets = make_sockets();
    sockets.reader.reset();
    EXPECT_EQ(in_child(sockets.writer.get(), [] { log_error("into the void"); }), 0);
}

TEST(Log, AFullDiskDoesNotKill) {
    const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
    EXPECT_EQ(in_child(full.get(), [] { log_error("no room"); }), 0);
}

TEST(Log, WithoutStderrNothingHappens) {
    const Ends pipe = make_pipe();
    EXPECT_EQ(in_child(pipe.writer.get(),
                       [] {
                           close(STDERR_FILENO);
                           log_init();
                           log_error("nobody");
                       }),
              0);
}

TEST(Log, TheJournalIsToldTheLevel) {
    Ends pipe = make_pipe();
    struct stat st {};
    ASSERT_EQ(fstat(pipe.writer.get(), &st), 0);
    const std::string ours = fmt::format("{}:{}", st.st_dev, st.st_ino);
    setenv("JOURNAL_STREAM", ours.c_str(), 1);
    EXPECT_EQ(in_child(pipe.writer.get(),
                       [] {
                           log_set_level(LogLevel::debug);
                           log_error("e");
                           log_warn("w");
                           log_info("i");
                           log_debug("d");
                       }),
              0);
    unsetenv("JOURNAL_STREAM");
    pipe.writer.reset();
    const std::string text = read_all(pipe.reader);
    std::string levels;
    for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at + 1))
        levels += text.substr(at, 8);
    EXPECT_EQ(levels, "<3>fsrv[<4>fsrv[<6>fsrv[<7>fsrv[");
}

TEST(Log, AJournalThatReadsSomebodyElseIsNotOurs) {
    setenv("JOURNAL_STREAM", "8:1234", 1);
    EXPECT_EQ(logged([] { log_error("e"); }), "fsrv[PID]: error: e\n");
    unsetenv("JOURNAL_STREAM");
}

TEST(Log, LeavesErrnoAlone) {
    Ends pipe = make_pipe();
    pipe.reader.reset();
    const int status = in_child(pipe.writer.get(), [] {
        errno = ENOENT;
        log_error("x");
        if (errno != ENOENT) _exit(1);
    });
    EXPECT_EQ(status, 0);
}

TEST(Log, FatalSaysWhyAndEndsTheProcessWithStatusOne) {
    Ends pipe = make_pipe();
    const int status = in_child(pipe.writer.get(), [] { fatal("bind {}: {}", "x", 1); });
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 1);
    pipe.writer.reset();
    EXPECT_TRUE(read_all(pipe.reader).ends_with("error: bind x: 1\n"));
}

TEST(Check, ABrokenInvariantIsLoggedWithItsPlaceAndAborts) {
    Ends pipe = make_pipe();
    const int status = in_child(pipe.writer.get(), [] {
        FSRV_CHECK(1 + 1 == 2, "arithmetic");
        FSRV_CHECK(1 + 1 == 3, "more than arithmetic");
    });
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGABRT);
    pipe.writer.reset();
    const std::string text = read_all(pipe.reader);
    EXPECT_NE(text.find("log_test.cc:"), std::string::npos) << text;
    EXPECT_TRUE(text.ends_with("broken invariant: 1 + 1 == 3 (more than arithmetic)\n")) << text;
}

TEST(ErrnoText, HasWordsAndName) {
    EXPECT_EQ(errno_text(ENOENT), "No such file or directory (ENOENT)");
    EXPECT_EQ(errno_text(99999), "Unknown error 99999 (99999)");
}

} // namespace
} // namespace fsrv
