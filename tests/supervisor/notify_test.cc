#include "supervisor/notify.h"

#include "common/log.h"
#include "common/unique_fd.h"
#include "tests/support/files.h"

#include <cstddef>
#include <cstring>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace fsrv {
namespace {

// The service manager's end.
UniqueFd receiver(std::string name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (name[0] == '@') name[0] = '\0';
    std::memcpy(address.sun_path, name.data(), name.size());
    UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length), 0)
        << std::strerror(errno);
    return fd;
}

std::string receive(int fd) {
    char bytes[1024];
    const ssize_t size = recv(fd, bytes, sizeof bytes, 0);
    return size < 0 ? "nothing" : std::string(bytes, static_cast<std::size_t>(size));
}

TEST(Notify, SendsOneDatagramToAPath) {
    const test::TempDir dir;
    const std::string path = (dir / "notify").string();
    const UniqueFd manager = receiver(path);
    Notifier notifier(path.c_str());
    notifier.send("READY=1\nSTATUS=2 of 2 workers ready");
    EXPECT_EQ(receive(manager.get()), "READY=1\nSTATUS=2 of 2 workers ready");
    EXPECT_EQ(receive(manager.get()), "nothing");
    notifier.send("STOPPING=1");
    EXPECT_EQ(receive(manager.get()), "STOPPING=1");
}

TEST(Notify, SendsToAnAbstractSocket) {
    const std::string name = "@fsrv-notify-test-" + std::to_string(getpid());
    const UniqueFd manager = receiver(name);
    Notifier notifier(name.c_str());
    notifier.send("READY=1");
    EXPECT_EQ(receive(manager.get()), "READY=1");
}

TEST(Notify, TheLongestPathWorksAndALongerOneIsIgnored) {
    const test::TempDir dir;
    std::string path = (dir / "n").string();
    path.append(107 - path.size(), 'n');
    const UniqueFd manager = receiver(path);
    Notifier(path.c_str()).send("READY=1");
    EXPECT_EQ(receive(manager.get()), "READY=1");
    testing::internal::CaptureStderr();
    Notifier((path + "n").c_str()).send("READY=1");
    EXPECT_NE(testing::internal::GetCapturedStderr().find("NOTIFY_SOCKET"), std::string::npos);
    EXPECT_EQ(receive(manager.get()), "nothing");
}

TEST(Notify, WithoutAManagerNothingHappens) {
    testing::internal::CaptureStderr();
    Notifier(nullptr).send("READY=1");
    Notifier("").send("READY=1");
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Notify, WhatIsNoAddressIsSaidOnceAndIgnored) {
    for (const char* name : {"relative", "vsock:2:1"}) {
        testing::internal::CaptureStderr();
        Notifier notifier(name);
        notifier.send("READY=1");
        const std::string log = testing::internal::GetCapturedStderr();
        EXPECT_NE(log.find(name), std::string::npos) << log;
        EXPECT_EQ(log.find('\n'), log.size() - 1) << log;
    }
}

TEST(Notify, AManagerThatIsGoneIsSaidOnce) {
    const test::TempDir dir;
    testing::internal::CaptureStderr();
    Notifier notifier((dir / "gone").c_str());
    notifier.send("READY=1");
    notifier.send("STOPPING=1");
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_NE(log.find("ENOENT"), std::string::npos) << log;
    EXPECT_EQ(log.find('\n'), log.size() - 1) << log;
}

TEST(Notify, AManagerThatDoesNotReadNeverBlocks) {
    const test::TempDir dir;
    const std::string path = (dir / "notify").string();
    const UniqueFd manager = receiver(path);
    testing::internal::CaptureStderr();
    Notifier notifier(path.c_str());
    for (int i = 0; i < 10'000; ++i) notifier.send("STATUS=still here");
    EXPECT_NE(testing::internal::GetCapturedStderr().find("EAGAIN"), std::string::npos);
}

} // namespace
} // namespace fsrv
