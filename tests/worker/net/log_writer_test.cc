#include "worker/net/log_writer.h"

#include "common/limits.h"

#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

namespace fsrv::net {
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
        EXPECT_EQ(log.take_trouble().lost_lines, 0U);
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

TEST(LogWriter, CountsWhatADeadReaderLoses) {
    ::signal(SIGPIPE, SIG_IGN);
    Pipe pipe;
    pipe.out.reset();
    LogWriter log(std::move(pipe.in));
    for (int i = 0; i < 3; ++i) log.push("x\n");
    EXPECT_TRUE(log.stop(10'000));
    const LogWriter::Trouble trouble = log.take_trouble();
    EXPECT_EQ(trouble.lost_lines, 3U);
    EXPECT_EQ(trouble.error, EPIPE);
    EXPECT_EQ(log.take_trouble().lost_lines, 0U) << "told once";
}

TEST(LogWriter, CountsWhatAFullDiskLoses) {
    UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    ASSERT_TRUE(full);
    LogWriter log(std::move(full));
    log.push("one\ntwo\n"); // two lines may come in one piece
    EXPECT_TRUE(log.stop(10'000));
    const LogWriter::Trouble trouble = log.take_trouble();
    EXPECT_EQ(trouble.lost_lines, 2U);
    EXPECT_EQ(trouble.error, ENOSPC);
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
    const std::uint64_t lost = log.take_trouble().lost_lines;
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

} // namespace
} // namespace fsrv::net
