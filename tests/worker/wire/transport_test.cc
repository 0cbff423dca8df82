#include "worker/wire/transport.h"

#include "common/unique_fd.h"
#include "tests/support/files.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>

namespace fsrv::wire {
namespace {

class TransportTest : public testing::Test, public loop::PollTarget {
  protected:
    TransportTest() {
        ::signal(SIGPIPE, SIG_IGN); // as a worker has it
        const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        auto* const any = reinterpret_cast<sockaddr*>(&address);
        EXPECT_EQ(::bind(listener.get(), any, length), 0);
        EXPECT_EQ(::listen(listener.get(), 1), 0);
        EXPECT_EQ(::getsockname(listener.get(), any, &length), 0);
        client_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::connect(client_.get(), any, length), 0);
        transport_.emplace(
            ::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    }
    ~TransportTest() override {
        if (open_) transport_->close();
    }
    void on_ready(std::uint32_t events) override { transport_->came(events); }
    void await_events() {
        poller_.wait(5'000);
        poller_.dispatch();
    }
    std::string hears(std::size_t bytes) {
        std::string heard(bytes, '\0');
        heard.resize(static_cast<std::size_t>(
            std::max<ssize_t>(0, ::recv(client_.get(), heard.data(), bytes, MSG_WAITALL))));
        return heard;
    }

    loop::Poller poller_;
    UniqueFd client_;
    std::optional<Transport> transport_;
    bool open_ = true;
};

TEST_F(TransportTest, KeepsInMindWhatIsReadyUntilACallFindsNothingMore) {
    ASSERT_TRUE(transport_->watch(poller_, *this));
    await_events();
    EXPECT_TRUE(transport_->is_ready(EPOLLOUT));
    EXPECT_FALSE(transport_->is_ready(EPOLLIN));
    ASSERT_EQ(::send(client_.get(), "abcdef", 6, 0), 6);
    await_events();
    EXPECT_TRUE(transport_->is_ready(EPOLLIN));
    std::array<char, 4> few{};
    EXPECT_EQ(transport_->read(few), 4);
    EXPECT_TRUE(transport_->is_ready(EPOLLIN)) << "there may be more";
    EXPECT_EQ(transport_->read(few), 2);
    EXPECT_FALSE(transport_->is_ready(EPOLLIN)) << "that was all";
    EXPECT_EQ(transport_->read(few), -1);
    EXPECT_EQ(errno, EAGAIN);
}

TEST_F(TransportTest, AnEndIsSeenBehindTheLastBytes) {
    ASSERT_TRUE(transport_->watch(poller_, *this));
    ASSERT_EQ(::send(client_.get(), "abc", 3, 0), 3);
    ASSERT_EQ(::shutdown(client_.get(), SHUT_WR), 0);
    while (!transport_->peer_has_ended()) await_events();
    std::array<char, 16> room{};
    EXPECT_EQ(transport_->read(room), 3);
    EXPECT_TRUE(transport_->is_ready(EPOLLIN)) << "the end comes by no edge of its own";
    EXPECT_EQ(transport_->read(room), 0);
}

TEST_F(TransportTest, SendsVectorsFilesAndTheirEnd) {
    const test::TempDir dir;
    test::write_pattern(dir / "f", 1000);
    const UniqueFd file(::open((dir / "f").c_str(), O_RDONLY | O_CLOEXEC));
    std::string a = "ab", b = "cd";
    std::array vectors{iovec{a.data(), a.size()}, iovec{b.data(), b.size()}};
    EXPECT_EQ(transport_->write(vectors, true), 4);
    EXPECT_EQ(transport_->write_file(file.get(), 10, 5), 5);
    EXPECT_EQ(transport_->write_file(file.get(), 1000, 5), 0) << "the file ends there";
    EXPECT_TRUE(transport_->finish());
    EXPECT_EQ(hears(100), "abcd" + test::pattern(10, 5));
}

TEST_F(TransportTest, AResetIsNoEnd) {
    EXPECT_EQ(transport_->write("abc"), 3);
    transport_->reset();
    open_ = false;
    std::array<char, 16> room{};
    ssize_t n = ::recv(client_.get(), room.data(), room.size(), 0);
    if (n > 0) n = ::recv(client_.get(), room.data(), room.size(), 0);
    EXPECT_EQ(n, -1);
    EXPECT_EQ(errno, ECONNRESET);
}

} // namespace
} // namespace fsrv::wire
