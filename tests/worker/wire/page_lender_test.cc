#include "worker/wire/page_lender.h"

#include "common/limits.h"
#include "common/unique_fd.h"
#include "tests/support/files.h"
#include "worker/disk/page_arena.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>

namespace fsrv::wire {
namespace {

class PageLenderTest : public testing::Test {
  protected:
    static constexpr std::size_t kFile = limits::kChunkBytes;

    PageLenderTest() {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        ours_.reset(ends[0]);
        client_.reset(ends[1]);
        test::write_pattern(dir_ / "f", kFile);
        test::write_pattern(dir_ / "g", kFile, 7);
    }
    std::shared_ptr<const char> copy_of(const char* name, std::size_t length) {
        const UniqueFd fd(::open((dir_ / name).c_str(), O_RDONLY | O_CLOEXEC));
        return arena_.copy_of(fd.get(), length);
    }
    std::string received() {
        std::string all;
        char buffer[65536];
        for (ssize_t n = 0; (n = ::recv(client_.get(), buffer, sizeof buffer, 0)) > 0;)
            all.append(buffer, static_cast<std::size_t>(n));
        return all;
    }

    test::TempDir dir_;
    UniqueFd ours_;
    UniqueFd client_;
    disk::PageArena arena_{kFile};
    PageLender lender_;
};

TEST_F(PageLenderTest, SendsWhatComesBeforeAndWhatIsLent) {
    ASSERT_TRUE(lender_.able());
    const auto lent = copy_of("f", 20'000);
    std::string head = "head, ";
    EXPECT_EQ(lender_.send(ours_.get(), head, {lent.get(), 20'000}, false), 20'006);
    head = "######";
    EXPECT_EQ(received(), "head, " + test::pattern(0, 20'000))
        << "what came before may change at once";
}

TEST_F(PageLenderTest, ManyHeadsDoNotOverwriteEachOther) {
    ASSERT_TRUE(lender_.able());
    const auto lent = copy_of("f", 10);
    std::string expected;
    std::string got;
    for (unsigned i = 0; i < 2'000; ++i) {
        const std::string head = std::string(i % 300, 'a') + std::to_string(i);
        ASSERT_EQ(lender_.send(ours_.get(), head, {lent.get(), 10}, false),
                  static_cast<ssize_t>(head.size() + 10));
        expected += head + test::pattern(0, 10);
        if (i % 50 == 49) got += received();
    }
    EXPECT_TRUE(got + received() == expected);
}

// The promise that lending stands on: what is queued stays, though its place is another's.
TEST_F(PageLenderTest, WhatIsQueuedStaysWhenItsCopyIsGone) {
    ASSERT_TRUE(lender_.able());
    auto lent = copy_of("f", 60'000);
    const char* const place = lent.get();
    ASSERT_EQ(lender_.send(ours_.get(), {}, {lent.get(), 60'000}, false), 60'000);
    lent.reset();
    const auto other = copy_of("g", 60'000);
    ASSERT_EQ(other.get(), place);
    EXPECT_EQ(received(), test::pattern(0, 60'000));
    EXPECT_EQ(std::string_view(other.get(), 60'000), test::pattern(0, 60'000, 7));
}

TEST_F(PageLenderTest, SendsWhatTheSocketTakesAndForgetsTheRest) {
    ASSERT_TRUE(lender_.able());
    const int room = 8 * 1024;
    ::setsockopt(ours_.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    const auto lent = copy_of("f", kFile);
    std::string got;
    unsigned short_sends = 0;
    while (got.size() < kFile) {
        const std::string_view left = std::string_view(lent.get(), kFile).substr(got.size());
        const ssize_t n = lender_.send(ours_.get(), {}, left, false);
        if (n < static_cast<ssize_t>(left.size())) {
            ++short_sends;
            EXPECT_TRUE(lender_.socket_was_full());
        }
        if (n < 0) {
            ASSERT_EQ(errno, EAGAIN);
        }
        const std::string more = received();
        EXPECT_EQ(static_cast<ssize_t>(more.size()), std::max<ssize_t>(n, 0));
        got += more;
    }
    EXPECT_GT(short_sends, 0U);
    EXPECT_TRUE(got == test::pattern(0, kFile));
}

TEST_F(PageLenderTest, APeerThatIsGoneIsAnError) {
    ASSERT_TRUE(lender_.able());
    ::signal(SIGPIPE, SIG_IGN); // as in a worker
    client_.reset();
    const auto lent = copy_of("f", 20'000);
    EXPECT_EQ(lender_.send(ours_.get(), {}, {lent.get(), 20'000}, false), -1);
    EXPECT_EQ(errno, EPIPE);
    EXPECT_TRUE(lender_.able()) << "others may be there";
}

TEST_F(PageLenderTest, WithoutDescriptorsItIsNotAbleUntilThereAreSome) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    EXPECT_FALSE(lender_.able());
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_TRUE(lender_.able());
}

} // namespace
} // namespace fsrv::wire
