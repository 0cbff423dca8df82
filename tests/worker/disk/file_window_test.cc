#include "worker/disk/file_window.h"

#include "common/unique_fd.h"
#include "tests/support/files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

namespace fsrv::disk {
namespace {

// What the kernel finds there: at most 4096 bytes, so that the pipe takes them. "EFAULT": nothing.
std::string seen_by_kernel(const FileWindow& window, std::size_t length) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    const UniqueFd out(ends[0]);
    const UniqueFd in(ends[1]);
    if (::write(in.get(), window.data(), length) < 0) return ::strerrorname_np(errno);
    std::string bytes(length, '\0');
    const ssize_t n = ::read(out.get(), bytes.data(), bytes.size());
    bytes.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return bytes;
}

TEST(FileWindow, ShowsTheKernelTheBytesAtAnyOffset) {
    const test::TempDir folder;
    constexpr std::size_t kSize = 100'000;
    test::write_pattern(folder / "f", kSize);
    const UniqueFd fd(::open((folder / "f").c_str(), O_RDONLY | O_CLOEXEC));
    for (const std::size_t offset : {0U, 1U, 4095U, 4096U, 70'001U, 99'999U}) {
        SCOPED_TRACE(offset);
        const std::size_t length = std::min<std::size_t>(kSize - offset, 4096);
        const FileWindow window(fd.get(), offset, length);
        ASSERT_TRUE(window);
        EXPECT_EQ(seen_by_kernel(window, length), test::pattern(offset, length));
    }
}

TEST(FileWindow, OfWhatIsGoneIsAnErrorAndNoSignal) {
    const test::TempDir folder;
    test::write_pattern(folder / "f", 20'000);
    const UniqueFd fd(::open((folder / "f").c_str(), O_RDONLY | O_CLOEXEC));
    const FileWindow window(fd.get(), 8192, 4096);
    ASSERT_TRUE(window);
    std::filesystem::resize_file(folder / "f", 4096);
    EXPECT_EQ(seen_by_kernel(window, 4096), "EFAULT");
}

TEST(FileWindow, ThatCannotBeMadeSaysWhy) {
    const test::TempDir folder;
    const UniqueFd fd(::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const FileWindow window(fd.get(), 0, 4096);
    EXPECT_EQ(errno, ENODEV);
    EXPECT_FALSE(window);
}

} // namespace
} // namespace fsrv::disk
