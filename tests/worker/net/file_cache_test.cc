#include "worker/net/file_cache.h"

#include "tests/worker/content_support.h"
#include "worker/net/sealed_copy.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace fsrv::net {
namespace {

TEST(SealedCopy, HasTheBytesAndCannotBeChanged) {
    const std::string bytes = test::pattern(0, 100'000);
    const auto copy = make_sealed_copy(bytes);
    ASSERT_TRUE(copy);
    EXPECT_TRUE(copy->sealed);
    EXPECT_EQ(copy->size, bytes.size());
    std::string found(bytes.size() + 1, '\0');
    EXPECT_EQ(::pread(copy->fd.get(), found.data(), found.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    found.pop_back();
    EXPECT_EQ(found, bytes);
    EXPECT_EQ(::pwrite(copy->fd.get(), "x", 1, 0), -1);
    EXPECT_EQ(::ftruncate(copy->fd.get(), 0), -1);
    EXPECT_EQ(::mmap(nullptr, 4096, PROT_WRITE, MAP_SHARED, copy->fd.get(), 0), MAP_FAILED);
}

class FileCacheTest : public testing::Test {
  protected:
    std::unique_ptr<CachedFile> make(const std::string& name, std::uint64_t size) {
        test::write_pattern(tree_.at(name), size);
        auto target = http::parse_target("/" + name);
        EXPECT_TRUE(target);
        http::FindResult found = store_.find(*target, "");
        EXPECT_TRUE(found);
        return make_cached_file("/" + name, *found, true, {});
    }

    content::Tree tree_;
    content::LocalStore store_{tree_.config(), content::MimeTypes()};
};

TEST_F(FileCacheTest, KeepsSmallFilesAsBytesMiddlingOnesSealedAndLargeOnesOpen) {
    struct Row {
        std::uint64_t size;
        bool bytes, sealed;
    };
    const Row rows[] = {{1, true, false},
                        {16 * 1024, true, false},
                        {16 * 1024 + 1, false, true},
                        {256 * 1024, false, true},
                        {256 * 1024 + 1, false, false}};
    for (const Row& row : rows) {
        SCOPED_TRACE(row.size);
        const auto file = make("f" + std::to_string(row.size), row.size);
        ASSERT_TRUE(file);
        EXPECT_EQ(file->content.data() != nullptr, row.bytes);
        EXPECT_EQ(file->copy != nullptr, row.sealed);
        EXPECT_EQ(file->length, row.size);
        EXPECT_EQ(file->resource.body.size(), row.size);
        EXPECT_EQ(file->descriptors(), row.sealed ? 2U : 1U);
        EXPECT_EQ(file->cost() > row.size, row.bytes || row.sealed);
    }
}

TEST_F(FileCacheTest, CountsTheDescriptorsOfCopiesAndDropsWhatWasUsedLongestAgo) {
    FileCache cache(store_, {.files = 5, .bytes = 1 << 20});
    cache.insert(make("a", 20'000), 1);
    cache.insert(make("b", 20'000), 1);
    ASSERT_TRUE(cache.find("/a", 1));
    cache.insert(make("c", 1'000), 1);
    EXPECT_TRUE(cache.find("/b", 1)) << "five descriptors are allowed";
    EXPECT_TRUE(cache.find("/a", 1));
    cache.insert(make("d", 1'000), 1);
    EXPECT_FALSE(cache.find("/c", 1)) << "the sixth is one too many";
    EXPECT_TRUE(cache.find("/a", 1));
    EXPECT_TRUE(cache.find("/b", 1));
    EXPECT_TRUE(cache.find("/d", 1));
    cache.shrink();
    EXPECT_FALSE(cache.find("/a", 1));
    EXPECT_TRUE(cache.find("/d", 1));
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

} // namespace
} // namespace fsrv::net
