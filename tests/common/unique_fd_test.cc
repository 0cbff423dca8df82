#include "common/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace fsrv {
namespace {

int open_null() {
    return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}
bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

TEST(UniqueFd, NoneByDefault) {
    const UniqueFd fd;
    EXPECT_FALSE(fd);
    EXPECT_EQ(fd.get(), -1);
}

TEST(UniqueFd, ClosesAtTheEndOfItsLife) {
    const int number = open_null();
    {
        const UniqueFd fd(number);
        EXPECT_TRUE(fd);
        EXPECT_TRUE(is_open(number));
    }
    EXPECT_FALSE(is_open(number));
}

TEST(UniqueFd, MovingHandsItOn) {
    const int number = open_null();
    UniqueFd first(number);
    UniqueFd second(std::move(first));
    EXPECT_FALSE(first);
    EXPECT_EQ(second.get(), number);
    EXPECT_TRUE(is_open(number));
}

TEST(UniqueFd, AssigningClosesWhatItHeld) {
    const int held = open_null();
    const int taken = open_null();
    UniqueFd fd(held);
    fd = UniqueFd(taken);
    EXPECT_FALSE(is_open(held));
    EXPECT_EQ(fd.get(), taken);
    EXPECT_TRUE(is_open(taken));
}

TEST(UniqueFd, AssigningToItselfKeepsIt) {
    UniqueFd fd(open_null());
    UniqueFd& same = fd;
    fd = std::move(same);
    EXPECT_TRUE(is_open(fd.get()));
}

TEST(UniqueFd, ReleaseGivesItAway) {
    const int number = open_null();
    { EXPECT_EQ(UniqueFd(number).release(), number); }
    EXPECT_TRUE(is_open(number));
    ::close(number);
}

TEST(UniqueFd, ResetClosesAndTakesAnother) {
    const int first = open_null();
    UniqueFd fd(first);
    fd.reset(open_null());
    EXPECT_TRUE(fd);
    const int second = fd.get();
    fd.reset();
    EXPECT_FALSE(fd);
    EXPECT_FALSE(is_open(second));
}

} // namespace
} // namespace fsrv
