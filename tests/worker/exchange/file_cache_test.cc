#include "worker/exchange/file_cache.h"

#include "tests/worker/content/support.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <gtest/gtest.h>
#include <random>

namespace fsrv::exchange {
namespace {

class FileCacheTest : public testing::Test {
  protected:
    std::unique_ptr<CachedFile> make(const std::string& name, std::uint64_t size) {
        test::write_pattern(tree_.at(name), size);
        auto target = http::parse_target("/" + name);
        EXPECT_TRUE(target);
        http::FindResult found = store_.find(*target, {});
        EXPECT_TRUE(found);
        return make_cached_file("/" + name, *found, true, {}, arena_);
    }

    content::Tree tree_;
    content::LocalStore store_{tree_.config(), content::MimeTypes()};
    disk::PageArena arena_{1 << 20};
};

TEST_F(FileCacheTest, KeepsSmallFilesAsBytesMiddlingOnesInPagesAndLargeOnesOpen) {
    struct Row {
        std::uint64_t size;
        bool bytes, pages;
    };
    const Row rows[] = {{1, true, false},
                        {3 * 1024, true, false},
                        {3 * 1024 + 1, true, true},
                        {256 * 1024, true, true},
                        {256 * 1024 + 1, false, false}};
    for (const Row& row : rows) {
        SCOPED_TRACE(row.size);
        const auto file = make("f" + std::to_string(row.size), row.size);
        ASSERT_TRUE(file);
        EXPECT_EQ(file->in_memory(), row.bytes);
        EXPECT_EQ(file->lendable, row.pages);
        EXPECT_EQ(content::read_body(file->resource.body), test::pattern(0, row.size));
        if (row.bytes) {
            EXPECT_EQ(file->content, test::pattern(0, row.size));
        }
        EXPECT_EQ(file->cost() > row.size, row.bytes);
    }
}

TEST_F(FileCacheTest, KeepsBytesElsewhereWhenTheArenaHasNoRoom) {
    std::vector<std::unique_ptr<CachedFile>> kept;
    do kept.push_back(make("f", 200'000));
    while (kept.back()->lendable && kept.size() < 100);
    EXPECT_LT(kept.size(), 100U);
    EXPECT_TRUE(kept.back()->in_memory());
    EXPECT_GT(kept.back()->cost(), 200'000U);
    EXPECT_EQ(content::read_body(kept.back()->resource.body), test::pattern(0, 200'000));
}

TEST_F(FileCacheTest, DropsWhatWasUsedLongestAgo) {
    FileCache cache(store_, {.files = 3, .bytes = 1 << 20});
    cache.insert(make("a", 20'000), 1);
    cache.insert(make("b", 20'000), 1);
    cache.insert(make("c", 1'000), 1);
    EXPECT_TRUE(cache.find("/b", 2'000)) << "three are allowed";
    EXPECT_TRUE(cache.find("/a", 3'000));
    cache.insert(make("d", 1'000), 3'000);
    EXPECT_FALSE(cache.find("/c", 3'000)) << "the fourth is one too many";
    EXPECT_TRUE(cache.find("/b", 4'000));
    EXPECT_TRUE(cache.find("/a", 5'000));
    EXPECT_TRUE(cache.find("/d", 6'000));
    cache.shrink();
    EXPECT_FALSE(cache.find("/b", 6'000));
    EXPECT_FALSE(cache.find("/a", 6'000));
    EXPECT_TRUE(cache.find("/d", 6'000));
}

// Every one is found, whatever was dropped before it in the table; against a plain set.
TEST_F(FileCacheTest, FindsWhatItHasAndNothingElseWhateverComesAndGoes) {
    constexpr unsigned kNames = 200, kKept = 60;
    for (unsigned i = 0; i < kNames; ++i) make(std::to_string(i), 10);
    FileCache cache(store_, {.files = kKept, .bytes = 1 << 20});
    std::deque<unsigned> kept;
    std::mt19937 random(7);
    std::uint64_t now = 0;
    for (unsigned turn = 0; turn < 2'000; ++turn) {
        const auto name = static_cast<unsigned>(random() % kNames);
        const auto has = std::find(kept.begin(), kept.end(), name);
        const CachedFile* const found = cache.find("/" + std::to_string(name), now += 1'000);
        ASSERT_EQ(found != nullptr, has != kept.end()) << name;
        if (found) {
            EXPECT_EQ(found->key, "/" + std::to_string(name));
            kept.erase(has);
        } else {
            cache.insert(make(std::to_string(name), 10), now);
            if (kept.size() == kKept) kept.pop_front();
        }
        kept.push_back(name);
    }
}

TEST_F(FileCacheTest, IsBoundedInBytes) {
    FileCache cache(store_, {.files = 100, .bytes = 150'000});
    cache.insert(make("a", 100'000), 1);
    EXPECT_TRUE(cache.find("/a", 1));
    cache.insert(make("b", 100'000), 1);
    EXPECT_FALSE(cache.find("/a", 1));
    EXPECT_TRUE(cache.find("/b", 1));
    cache.insert(make("c", 200'000), 1);
    EXPECT_FALSE(cache.find("/c", 1)) << "larger than all of it";
    EXPECT_TRUE(cache.find("/b", 1));
}

TEST_F(FileCacheTest, IsForWhatIsAskedForAgainOnceRoomIsScarce) {
    FileCache cache(store_, {.files = 4, .bytes = 1 << 20});
    const auto wants = [&](const std::string& name) {
        EXPECT_EQ(cache.find("/" + name, 0), nullptr);
        return cache.worth_keeping();
    };
    for (int i = 0; i < 4; ++i) {
        const std::string name = "f" + std::to_string(i);
        EXPECT_TRUE(wants(name)) << "there is room";
        cache.insert(make(name, 10), 0);
    }
    EXPECT_FALSE(wants("seldom"));
    EXPECT_FALSE(wants("often"));
    EXPECT_TRUE(wants("often"));
    cache.insert(make("often", 10), 0);
    EXPECT_NE(cache.find("/often", 0), nullptr);
    EXPECT_EQ(cache.find("/f0", 0), nullptr) << "it was used longest ago";
    cache.shrink();
    EXPECT_TRUE(wants("another"));

    FileCache off(store_, {});
    EXPECT_FALSE(off.worth_keeping());
}

TEST_F(FileCacheTest, LetsGoOfWhatNobodyAsksFor) {
    FileCache cache(store_, {.files = 100, .bytes = 1 << 20});
    cache.insert(make("a", 1'000), 1'000);
    cache.insert(make("b", 1'000), 1'000);
    EXPECT_TRUE(cache.find("/b", 20'000));
    cache.tidy(1'000 + FileCache::kUnusedMs - 1);
    EXPECT_TRUE(cache.find("/a", 1'000)) << "not yet";
    cache.tidy(1'000 + FileCache::kUnusedMs);
    EXPECT_FALSE(cache.find("/a", 40'000));
    EXPECT_TRUE(cache.find("/b", 40'000));
}

// Nobody asks for them, and they are let go of all the same.
TEST_F(FileCacheTest, LetsGoOfWhatIsNoLongerWhatItWas) {
    constexpr unsigned kFiles = 50;
    FileCache cache(store_, {.files = 100, .bytes = 1 << 20});
    std::vector<std::weak_ptr<const http::OpenFile>> held;
    for (unsigned i = 0; i < kFiles; ++i) {
        auto file = make(std::to_string(i), 300'000);
        held.emplace_back(file->file);
        cache.insert(std::move(file), 1'000);
    }
    const auto still_held = [&] {
        return std::count_if(held.begin(), held.end(), [](const auto& h) { return !h.expired(); });
    };
    cache.tidy(1'000);
    std::filesystem::remove(tree_.at("3"));
    test::write_pattern(tree_.at("new"), 300'000);
    std::filesystem::rename(tree_.at("new"), tree_.at("49"));
    for (std::uint64_t now = 1'000; now <= 1'000 + FileCache::kLookAgainMs; now += 100)
        cache.tidy(now);
    EXPECT_EQ(still_held(), kFiles - 2);
    EXPECT_FALSE(cache.find("/3", 4'000));
    EXPECT_TRUE(cache.find("/4", 4'000));
}

TEST_F(FileCacheTest, HashesUnderASecret) {
    const std::string name = "a";
    std::vector<std::uint64_t> hashes;
    for (const std::uint64_t secret : {1U, 2U}) {
        FileCache cache(store_, {.files = 100, .bytes = 1 << 20}, {.low = secret});
        cache.insert(make(name, 10), 1'000);
        const CachedFile* const found = cache.find("/a", 1'000);
        ASSERT_TRUE(found);
        hashes.push_back(found->hash);
    }
    EXPECT_NE(hashes[0], hashes[1]);
}

} // namespace
} // namespace fsrv::exchange
