#include "worker/disk/page_arena.h"

#include "common/unique_fd.h"
#include "tests/support/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace fsrv::disk {
namespace {

class PageArenaTest : public testing::Test {
  protected:
    static constexpr std::size_t kFile = 300'000;

    PageArenaTest() {
        test::write_pattern(dir_ / "f", kFile);
        file_.reset(::open((dir_ / "f").c_str(), O_RDONLY | O_CLOEXEC));
    }
    std::shared_ptr<const char> copy(std::size_t length) {
        return arena_.copy_of(file_.get(), length);
    }

    test::TempDir dir_;
    UniqueFd file_;
    PageArena arena_{1 << 21};
};

TEST_F(PageArenaTest, CopiesWhatTheFileHas) {
    for (const std::size_t length : {std::size_t{1}, std::size_t{4096}, std::size_t{4097}, kFile}) {
        const auto bytes = copy(length);
        ASSERT_TRUE(bytes) << length;
        EXPECT_EQ(std::string_view(bytes.get(), length), test::pattern(0, length));
    }
    EXPECT_FALSE(copy(kFile + 1)) << "the file has fewer";
}

TEST_F(PageArenaTest, HasRoomForWhatItWasMadeForAndNoMore) {
    std::vector<std::shared_ptr<const char>> copies;
    for (std::size_t taken = 0; taken + kFile < (1 << 21);
         taken += PageArena::in_whole_pages(kFile))
        copies.push_back(copy(kFile));
    for (const auto& bytes : copies) EXPECT_TRUE(bytes);
    while (copies.size() < 100 && copies.back()) copies.push_back(copy(kFile));
    EXPECT_FALSE(copies.back());
    copies.clear();
    EXPECT_TRUE(copy(kFile)) << "what is given back is there again";
}

// Each keeps its bytes, whatever is taken and given back around it.
TEST_F(PageArenaTest, CopiesDoNotMeet) {
    std::vector<std::pair<std::size_t, std::shared_ptr<const char>>> copies;
    std::mt19937 random(3);
    unsigned refused = 0;
    for (unsigned turn = 0; turn < 2'000; ++turn) {
        const std::size_t length = 1 + random() % 100'000;
        if (auto bytes = copy(length)) {
            copies.emplace_back(length, std::move(bytes));
        } else {
            ++refused;
        }
        if (random() % 3 == 0) {
            const std::size_t gone = random() % copies.size();
            ASSERT_EQ(std::string_view(copies[gone].second.get(), copies[gone].first),
                      test::pattern(0, copies[gone].first));
            copies.erase(copies.begin() + static_cast<std::ptrdiff_t>(gone));
        }
    }
    EXPECT_GT(refused, 0U);
    copies.clear();
    copies.emplace_back(kFile, copy(kFile));
    EXPECT_TRUE(copies.back().second) << "the runs have grown together again";
}

TEST_F(PageArenaTest, ACopyOutlivesTheArena) {
    auto arena = std::make_unique<PageArena>(1 << 20);
    const auto bytes = arena->copy_of(file_.get(), 100);
    arena.reset();
    EXPECT_EQ(std::string_view(bytes.get(), 100), test::pattern(0, 100));
}

TEST_F(PageArenaTest, MayBeUsedByManyThreads) {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 4; ++i) {
        threads.emplace_back([this, i] {
            for (unsigned turn = 0; turn < 200; ++turn) {
                const std::size_t length = 1 + (turn * 977 + i) % 20'000;
                const auto bytes = copy(length);
                ASSERT_TRUE(bytes);
                EXPECT_EQ(std::string_view(bytes.get(), length), test::pattern(0, length));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
}

} // namespace
} // namespace fsrv::disk
