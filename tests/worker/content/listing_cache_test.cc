// Kept listings: for whom, for how long, within how much memory.

#include "tests/support/await.h"
#include "tests/worker/content/support.h"
#include "worker/content/listing_cache.h"

#include <atomic>
#include <thread>
#include <vector>

namespace fsrv::content {
namespace {

using Key = ListingCache::Key;

http::Body body_of(std::size_t bytes) {
    return http::Body::of(std::string(bytes, 'x'));
}

TEST(ListingCache, KeepsForASecondAndForTheSameQuestionOnly) {
    const Key key{.device = 1,
                  .inode = 2,
                  .mtime = {3, 4},
                  .ctime = {5, 6},
                  .path = "a",
                  .order = {},
                  .json = false};
    Key others[7];
    for (Key& other : others) other = key;
    others[0].device = 9;
    others[1].inode = 9;
    others[2].mtime.nanoseconds = 9;
    others[3].ctime.nanoseconds = 9;
    others[4].path = "b";
    others[5].order.descending = true;
    others[6].json = true;

    ListingCache cache(100);
    EXPECT_FALSE(cache.find(key, 1000));
    cache.keep(key, body_of(10), 1000);
    const auto found = cache.find(key, 1999);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->size(), 10U);
    for (const Key& other : others) EXPECT_FALSE(cache.find(other, 1999));
    EXPECT_FALSE(cache.find(key, 2000)) << "a second later";
    EXPECT_FALSE(cache.find(key, 1999)) << "it is gone";
    cache.keep(key, body_of(10), 3000);
    cache.clear();
    EXPECT_FALSE(cache.find(key, 3000));
}

TEST(ListingCache, HoldsNoMoreThanItMay) {
    ListingCache cache(100);
    const auto key = [](ino_t inode) { return Key{.inode = inode}; };
    cache.keep(key(1), body_of(101), 0);
    EXPECT_FALSE(cache.find(key(1), 0)) << "too big alone";
    for (ino_t i = 1; i <= 4; ++i) cache.keep(key(i), body_of(30), i);
    EXPECT_FALSE(cache.find(key(1), 4)) << "the oldest went";
    for (ino_t i = 2; i <= 4; ++i) EXPECT_TRUE(cache.find(key(i), 4)) << i;
    cache.keep(key(5), body_of(100), 5);
    for (ino_t i = 2; i <= 4; ++i) EXPECT_FALSE(cache.find(key(i), 5)) << i;
    EXPECT_TRUE(cache.find(key(5), 5));
    cache.drop_old(1005);
    cache.keep(key(6), body_of(100), 0);
    EXPECT_TRUE(cache.find(key(6), 0)) << "what was dropped counts no more";
}

TEST(ListingCache, IsSharedByThreads) {
    ListingCache cache(500);
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t) {
        threads.emplace_back([&cache, &wrong, t] {
            for (unsigned i = 0; i < 2000; ++i) {
                const Key key{.inode = (i + t) % 9};
                const auto found = cache.find(key, i);
                if (found && found->size() != 100 + key.inode) ++wrong;
                if (!found) cache.keep(key, body_of(100 + key.inode), i);
                if (i % 500 == 0) cache.clear();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
}

// Where the bytes of a listing are.
const void* place_of(const http::FindResult& found) {
    if (!found || found->body.segments.empty()) return nullptr;
    return std::get<http::MemoryExtent>(found->body.segments.front()).bytes.get();
}

class KeptListings : public testing::Test {
  protected:
    http::FindResult find(std::string_view origin, const Ask& ask = {}) const {
        return store_.find(*http::parse_target(origin), ask);
    }
    void fill(std::size_t names) {
        for (std::size_t i = 0; i < names; ++i) tree_.file(std::to_string(i), "");
    }
    Tree tree_;
    const LocalStore store_{tree_.config(), MimeTypes()};
};

TEST_F(KeptListings, AreThoseOfLongFolders) {
    fill(limits::kKeptListingEntries);
    // The folder has to be older than its clock's tick, and both of a pair within a second.
    EXPECT_TRUE(test::await([&] {
        const http::FindResult first = find("/"), second = find("/");
        return place_of(first) != nullptr && place_of(first) == place_of(second);
    }));
    EXPECT_NE(place_of(find("/?sort=size")), place_of(find("/")));

    tree_.file("new", "");
    EXPECT_NE(read_body(find("/")->body).find("\"new\""), std::string::npos) << "at once";
    std::filesystem::remove(tree_.at("new"));
    EXPECT_EQ(read_body(find("/")->body).find("\"new\""), std::string::npos) << "at once";
    // HEAD has the length when somebody else's GET has just made it.
    EXPECT_TRUE(test::await([&] {
        find("/");
        const http::FindResult head = find("/", Ask{.head = true});
        return head && head->body_made && head->body.size() == find("/")->body.size();
    }));
}

TEST_F(KeptListings, AreNotThoseOfShortOnes) {
    fill(10);
    const http::FindResult first = find("/"), second = find("/");
    ASSERT_TRUE(first && second);
    EXPECT_NE(place_of(first), place_of(second));
}

TEST(KeptListing, MakesRoomForOthers) {
    Tree tree;
    for (std::size_t i = 0; i < limits::kKeptListingEntries; ++i) tree.file(std::to_string(i), "");
    StoreConfig config = tree.config();
    const std::size_t page = ask(LocalStore(config, MimeTypes()), "/").body.size();
    config.max_listing_bytes = page * 2;
    const LocalStore store(config, MimeTypes());
    // One that is kept and the names of the next do not fit beside each other.
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(ask(store, "/").status, 200);
        ASSERT_EQ(ask(store, "/?sort=size").status, 200);
    }
}

} // namespace
} // namespace fsrv::content
