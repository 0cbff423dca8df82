// Downloads of which parts are in the page cache and parts are not: the ways to send take turns,
// chunk by chunk.

#include "tests/integration/admin_support.h"
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

// What was never asked for is found without the pool, if all of it is in memory.
TEST(ColdFiles, ThatAreWarmAreFoundOnTheLoop) {
    const TempDir root;
    std::filesystem::create_directory(root / "d");
    std::filesystem::create_symlink("small", root / "link");
    for (const auto& [name, size] :
         {std::pair{"small", 4096}, {"d/large", 3 * 1024 * 1024}, {"empty", 0}}) {
        write_pattern(root / name, static_cast<std::uint64_t>(size));
        set_mtime(root / name);
    }
    const Server server(root.path(), {"--workers", "1", "--admin", "127.0.0.1:0"});
    const Admin admin(server);
    const auto look_ups_by_pool = [&] {
        return static_cast<int>(admin.metrics().sum("fsrv_pool_wait_seconds_count"));
    };
    for (const char* target : {"/small", "/d/large", "/empty", "/files?path=small", "/none",
                               "/none", "/d", "/SMALL", "/SMALL"}) {
        static_cast<void>(fetch(server.port(), target)); // a name that is not there, a first time
    }
    const int before = look_ups_by_pool();
    EXPECT_LE(before, 3);
    EXPECT_EQ(fetch(server.port(), "/none").status, 404);
    EXPECT_EQ(fetch(server.port(), "/d").status, 301);
    EXPECT_EQ(fetch(server.port(), "/small/").status, 404);
    for (int i = 0; i < 3; ++i) {
        const auto copy = "copy" + std::to_string(i);
        write_pattern(root / copy, 4096);
        EXPECT_TRUE(is_pattern(fetch(server.port(), "/" + copy).body, 0, 4096));
    }
    EXPECT_EQ(look_ups_by_pool(), before);
    EXPECT_TRUE(is_pattern(fetch(server.port(), "/link").body, 0, 4096));
    EXPECT_EQ(look_ups_by_pool(), before + 1) << "links are judged, which may take long";
}

} // namespace
} // namespace fsrv::test
