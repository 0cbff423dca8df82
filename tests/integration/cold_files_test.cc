// Downloads of which parts are in the page cache and parts are not: the ways to send take turns,
// chunk by chunk.

#include "tests/support/files.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <atomic>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace fsrv::test {
namespace {

constexpr std::uint64_t kSize = 48 * 1024 * 1024;

void drop_from_cache(const std::filesystem::path& path, off_t offset, off_t length) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::posix_fadvise(fd.get(), offset, length, POSIX_FADV_DONTNEED), 0);
}

// One stretch after the other goes, while the download is under way.
TEST(ColdFiles, GrowingColdWhileTheyAreSentArriveWhole) {
    const TempDir root;
    const auto path = root / "f";
    write_pattern(path, kSize);
    set_mtime(path);
    {
        const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
        ASSERT_EQ(::fdatasync(fd.get()), 0); // pages that are dirty would stay
    }
    Server server(root.path(), {"--workers", "1"});
    std::atomic<bool> over{false};
    std::thread dropper([&] {
        constexpr off_t kStretch = 768 * 1024; // in no step with turns or chunks
        for (off_t at = 0; !over; at = (at + 5 * kStretch) % static_cast<off_t>(kSize))
            drop_from_cache(path, at, kStretch);
    });
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
        clients.emplace_back([&] {
            for (int round = 0; round < 4; ++round) {
                const Response response = fetch(server.port(), "/f");
                EXPECT_EQ(response.status, 200);
                EXPECT_TRUE(is_pattern(response.body, 0, kSize)) << response.body.size();
            }
        });
    }
    for (std::thread& client : clients) client.join();
    over = true;
    dropper.join();
}

} // namespace
} // namespace fsrv::test
