#include "worker/log/log_writer.h"

#include "common/limits.h"
#include "tests/support/await.h"
#include "tests/support/files.h"
#include "tests/support/process.h"

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace fsrv::log {
namespace {

struct Pipe {
    Pipe() {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        out.reset(ends[0]);
        in.reset(ends[1]);
    }
    UniqueFd out;
    UniqueFd in;
};

std::string read_all(int fd) {
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(n));
    return text;
}

// Its thread hangs until somebody reads.
void read_all_when_stopped(LogWriter& log, const UniqueFd& reader, std::string_view expected = "") {
    std::string all;
    char buffer[65536];
    for (bool stopped = false; !stopped;) {
        stopped = log.stop(1);
        pollfd waiting{.fd = reader.get(), .events = POLLIN, .revents = 0};
        while (::poll(&waiting, 1, 0) == 1 && (waiting.revents & POLLIN) != 0) {
            const ssize_t n = ::read(reader.get(), buffer, sizeof buffer);
            ASSERT_GT(n, 0);
            all.append(buffer, static_cast<std::size_t>(n));
        }
    }
    if (!expected.empty()) {
        EXPECT_EQ(all, expected);
    }
}

TEST(LogWriter, WritesEveryLineInOrder) {
    Pipe pipe;
    std::string expected;
    {
        LogWriter log(std::move(pipe.in));
        for (int i = 0; i < 500; ++i) {
            const std::string text = fmt::format("line {}\n", i);
            expected += text;
            log.push(text);
            if (i % 7 == 0) log.flush();
        }
        EXPECT_TRUE(log.stop(10'000));
        EXPECT_EQ(log.take_trouble().lines(), 0U);
    }
    EXPECT_EQ(read_all(pipe.out.get()), expected);
}

// While the thread pauses after a line, the next one must not be forgotten, few bytes or many.
TEST(LogWriter, ALineRightAfterAnotherNeedsNoThird) {
    Pipe pipe;
    LogWriter log(std::move(pipe.in));
    for (const std::size_t size : {1U, 2U, 2048U, 1U}) {
        const std::string text = std::string(size - 1, 'x') + "\n";
        std::string expected;
        for (std::size_t sent = 0; sent == 0 || (size > 2 && sent < 2 * limits::kLogPieceBytes);
             sent += size) {
            expected += text;
            log.push(text);
            log.flush();
        }
        std::string arrived;
        char buffer[4096];
        while (arrived.size() < expected.size()) {
            const ssize_t n = ::read(pipe.out.get(), buffer, sizeof buffer);
            ASSERT_GT(n, 0);
            arrived.append(buffer, static_cast<std::size_t>(n));
        }
        EXPECT_EQ(arrived, expected);
    }
}

// A turn of the loop that makes many lines must not fill the queue while the thread sleeps.
TEST(LogWriter, AFullPieceIsWrittenBeforeTheTurnEnds) {
    Pipe pipe;
    LogWriter log(std::move(pipe.in));
    const std::string text = std::string(1023, 'x') + "\n";
    for (std::size_t pushed = 0; pushed < limits::kLogPieceBytes; pushed += text.size())
        log.push(text);
    EXPECT_TRUE(test::await_fd(pipe.out.get(), POLLIN)) << "nobody woke the thread";
    read_all_when_stopped(log, pipe.out);
}

TEST(LogWriter, CountsWhatADeadReaderLoses) {
    ::signal(SIGPIPE, SIG_IGN);
    Pipe pipe;
    pipe.out.reset();
    LogWriter log(std::move(pipe.in));
    for (int i = 0; i < 3; ++i) log.push("x\n");
    EXPECT_TRUE(log.stop(10'000));
    const LogTrouble trouble = log.take_trouble();
    EXPECT_EQ(trouble.failed_lines, 3U);
    EXPECT_EQ(trouble.error, EPIPE);
    EXPECT_EQ(log.take_trouble().lines(), 0U) << "told once";
}

TEST(LogWriter, CountsWhatAFullDiskLoses) {
    UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    ASSERT_TRUE(full);
    LogWriter log(std::move(full));
    log.push("one\ntwo\n"); // two lines may come in one piece
    EXPECT_TRUE(log.stop(10'000));
    const LogTrouble trouble = log.take_trouble();
    EXPECT_EQ(trouble.failed_lines, 2U);
    EXPECT_EQ(trouble.error, ENOSPC);
}

TEST(LogWriter, WhatComesTooFastIsToldFromWhatIsTakenTooSlowly) {
    Pipe pipe;
    LogWriter log(std::move(pipe.in));
    log.push(std::string(limits::kLogQueueBytes, 'x') + "\n"); // at once more than it may hold
    LogTrouble trouble = log.take_trouble();
    EXPECT_EQ(trouble.burst_lines, 1U);
    EXPECT_EQ(trouble.slow_lines, 0U);

    const std::string text = std::string(999, 'x') + "\n";
    ASSERT_TRUE(test::await([&] { // nobody reads: the thread hangs
        for (int i = 0; i < 1000; ++i) log.push(text);
        log.flush();
        trouble.add(log.take_trouble());
        return trouble.slow_lines > 0;
    }));
    read_all_when_stopped(log, pipe.out);
}

TEST(LogTrouble, NamesEveryReason) {
    LogTrouble trouble;
    EXPECT_EQ(trouble.text(), "");
    trouble.add({.failed_lines = 1, .error = ENOSPC});
    EXPECT_EQ(trouble.text(), "1 line: No space left on device (ENOSPC)");
    trouble.add({.slow_lines = 2});
    trouble.add({.burst_lines = 3});
    EXPECT_EQ(trouble.text(), "1 line: No space left on device (ENOSPC); "
                              "2 lines: it does not take them fast enough; "
                              "3 lines: too many in too short a time");
    EXPECT_EQ(trouble.lines(), 6U);
}

// Lines of two workers: a write of more than a pipe takes in one piece would be torn apart.
TEST(LogWriter, LinesOfSeveralWritersDoNotMixInAPipe) {
    Pipe pipe;
    UniqueFd other(::fcntl(pipe.in.get(), F_DUPFD_CLOEXEC, 3));
    LogWriter a(std::move(pipe.in));
    LogWriter b(std::move(other));
    const std::string of_a = std::string(1499, 'a') + "\n";
    const std::string of_b = std::string(1099, 'b') + "\n";
    constexpr std::size_t kLines = 600;
    for (std::size_t i = 0; i < kLines; ++i) {
        a.push(of_a);
        b.push(of_b);
    }
    a.flush();
    b.flush();
    std::string all;
    char buffer[65536];
    while (all.size() < kLines * (of_a.size() + of_b.size())) {
        const ssize_t n = ::read(pipe.out.get(), buffer, sizeof buffer);
        ASSERT_GT(n, 0);
        all.append(buffer, static_cast<std::size_t>(n));
    }
    for (std::string_view rest = all; !rest.empty();) {
        const std::string& line = rest.front() == 'a' ? of_a : of_b;
        ASSERT_TRUE(rest.starts_with(line)) << rest.substr(0, line.size());
        rest.remove_prefix(line.size());
    }
}

TEST(LogWriter, AStoppedReaderNeverBlocksPush) {
    Pipe pipe;
    LogWriter log(std::move(pipe.in));
    const std::string text = std::string(999, 'x') + "\n";
    const std::size_t lines = 3 * limits::kLogQueueBytes / text.size();
    for (std::size_t i = 0; i < lines; ++i) {
        log.push(text);
        log.flush();
    }
    EXPECT_FALSE(log.stop(1)) << "the thread hangs in its write";
    const std::uint64_t lost = log.take_trouble().lines();
    EXPECT_GT(lost, 0U);
    // The reader wakes up: what was queued arrives whole, what was lost was counted.
    const std::size_t expected = (lines - lost) * text.size();
    std::string arrived;
    char buffer[65536];
    while (arrived.size() < expected) {
        const ssize_t n = ::read(pipe.out.get(), buffer, sizeof buffer);
        ASSERT_GT(n, 0);
        arrived.append(buffer, static_cast<std::size_t>(n));
    }
    EXPECT_TRUE(log.stop(10'000));
    EXPECT_EQ(arrived.size(), expected);
}

TEST(LogWriter, AReplacementTakesWhatComesAfterIt) {
    Pipe first;
    Pipe second;
    {
        LogWriter log(std::move(first.in));
        log.push("before\n");
        log.flush();
        char buffer[7];
        ASSERT_EQ(::read(first.out.get(), buffer, sizeof buffer), 7); // it has been written
        log.replace(std::move(second.in));
        log.push("after\n");
        EXPECT_TRUE(log.stop(10'000));
    }
    EXPECT_EQ(read_all(first.out.get()), "");
    EXPECT_EQ(read_all(second.out.get()), "after\n");
}

TEST(LogWriter, AnIdleOneLetsTheOldFileGo) {
    Pipe first;
    Pipe second;
    LogWriter log(std::move(first.in));
    log.replace(std::move(second.in));
    EXPECT_TRUE(test::await_fd(first.out.get(), POLLIN)) << "it is still open";
    EXPECT_EQ(read_all(first.out.get()), "");
}

// A socket that lingers: close() sleeps until the reader has gone.
TEST(LogWriter, NobodyWaitsForTheOldFileToClose) {
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {}, .sin_zero = {}};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length);
    UniqueFd old(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(old.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    UniqueFd reader(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const linger for_an_hour{.l_onoff = 1, .l_linger = 3600};
    ASSERT_EQ(::setsockopt(old.get(), SOL_SOCKET, SO_LINGER, &for_an_hour, sizeof for_an_hour), 0);
    const std::string filler(1 << 20, 'x');
    while (::send(old.get(), filler.data(), filler.size(), MSG_DONTWAIT) > 0) {
    }

    const int number = old.get();
    Pipe next;
    LogWriter log(std::move(old));
    log.replace(std::move(next.in));
    log.push("one\n");
    log.flush();
    ASSERT_TRUE(test::await([&] { return ::fcntl(number, F_GETFD) < 0; })) << "it is still open";
    log.push("two\n"); // the thread sleeps in close()
    log.flush();
    EXPECT_EQ(log.take_trouble().lines(), 0U);
    reader.reset();
    read_all_when_stopped(log, next.out, "one\ntwo\n");
}

// A disk that is full after so many bytes, for as long as this lives.
class FullDisk final {
  public:
    explicit FullDisk(rlim_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;
    ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }

  private:
    rlimit before_{};
};

UniqueFd open_log(const std::filesystem::path& path) {
    return UniqueFd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666));
}

TEST(LogWriter, HalfALineIsEndedInTheFileWhereItStands) {
    struct Case {
        const char* lines; // of which ten bytes have room
        const char* left;
        const char* file;      // after another line, and the name was opened anew
        const char* next_file; // or after another line in a new file
    };
    for (const Case& c : {Case{"123456789012\n", "1234567890", "1234567890\nnext\n", "next\n"},
                          Case{"123456789\n12\n", "123456789\n", "123456789\nnext\n", "next\n"}}) {
        for (const bool is_moved : {false, true}) {
            test::TempDir dir;
            LogWriter log(open_log(dir / "log"));
            LogTrouble trouble;
            {
                const FullDisk disk(10);
                log.push(c.lines);
                log.flush();
                ASSERT_TRUE(test::await([&] {
                    trouble.add(log.take_trouble());
                    return trouble.lines() > 0;
                }));
            }
            EXPECT_EQ(trouble.error, EFBIG);
            EXPECT_EQ(test::read_file(dir / "log"), c.left);
            if (is_moved) std::filesystem::rename(dir / "log", dir / "old");
            log.replace(open_log(dir / "log"));
            log.push("next\n");
            EXPECT_TRUE(log.stop(10'000));
            EXPECT_EQ(test::read_file(dir / "log"), is_moved ? c.next_file : c.file);
            if (is_moved) {
                EXPECT_EQ(test::read_file(dir / "old"), c.left);
            }
        }
    }
}

} // namespace
} // namespace fsrv::log
