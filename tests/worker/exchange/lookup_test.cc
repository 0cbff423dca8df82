// Lookup with a real folder and a real pool, without a connection.
#include "worker/exchange/lookup.h"

#include "tests/support/await.h"
#include "tests/worker/content/support.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <string>

namespace fsrv::exchange {
namespace {

class Home final : public LookupHome {
  public:
    void on_planned() override { events += "planned "; }
    void on_unavailable(std::string_view why) override { events += std::string(why) + " "; }
    void on_orphaned() override { events += "orphaned "; }

    std::string events;
    http::Request request;
    Lookup lookup{*this, request};
};

class LookupTest : public testing::Test {
  protected:
    LookupTest() {
        tree_.file("file", "content");
        tree_.folder("d");
        tree_.link("file", "link");
        for (const char* name : {"file"}) test::set_mtime(tree_.at(name));
    }
    bool begin(IoMode io, const std::string& target) {
        services_.io = io;
        home_.events.clear();
        home_.request.method = http::Method::get;
        auto parsed = http::parse_target(target);
        EXPECT_TRUE(parsed);
        EXPECT_EQ(cache_.find(http::cache_key(*parsed), 0), nullptr);
        return home_.lookup.begin(services_, *std::move(parsed));
    }
    void await_pool() {
        EXPECT_TRUE(test::await([&] {
            pollfd wake{.fd = pool_.wake_fd(), .events = POLLIN, .revents = 0};
            ::poll(&wake, 1, 10);
            pool_.dispatch();
            return !home_.lookup.is_under_way();
        }));
    }
    int take_status() {
        if (!home_.lookup.plan) return 0;
        return std::exchange(home_.lookup.plan, std::nullopt)->status;
    }

    content::Tree tree_;
    content::LocalStore store_{tree_.config(), content::MimeTypes()};
    content::Mounts mounts_{tree_.root(), store_.root_device()};
    disk::Pool pool_{disk::Pool::Config{}};
    FileCache cache_{store_, {.files = 10, .bytes = 1 << 20}};
    http::PlanConfig plan_config_;
    LookupServices services_{.store = store_,
                             .mounts = mounts_,
                             .pool = pool_,
                             .cache = cache_,
                             .plan_config = plan_config_,
                             .io = IoMode::automatic,
                             .server_header = true};
    Home home_;
};

TEST_F(LookupTest, WhatIsInMemoryIsPlannedAtOnce) {
    struct Row {
        const char* target;
        int status;
        bool kept;
    };
    const Row rows[] = {{"/file", 200, true}, {"/none", 404, false}, {"/d", 301, false}};
    for (const Row& row : rows) {
        SCOPED_TRACE(row.target);
        if (!begin(IoMode::automatic, row.target)) { // a name that nobody had looked at yet
            await_pool();
            ASSERT_NE(take_status(), 0);
            home_.lookup.take_found();
            ASSERT_TRUE(begin(IoMode::automatic, row.target));
        }
        EXPECT_FALSE(home_.lookup.is_under_way());
        EXPECT_EQ(take_status(), row.status);
        EXPECT_EQ(home_.lookup.take_found() != nullptr, row.kept);
        EXPECT_EQ(home_.events, "");
    }
}

TEST_F(LookupTest, WhatMayTakeLongIsThePools) {
    for (const char* target : {"/link", "/d/"}) {
        SCOPED_TRACE(target);
        EXPECT_FALSE(begin(IoMode::automatic, target));
        EXPECT_TRUE(home_.lookup.is_under_way());
        await_pool();
        EXPECT_EQ(home_.events, "planned ");
        EXPECT_EQ(take_status(), 200);
        home_.lookup.take_found();
    }
}

TEST_F(LookupTest, TheModeOfInputAndOutputDecides) {
    EXPECT_FALSE(begin(IoMode::threads, "/file"));
    await_pool();
    EXPECT_EQ(home_.events, "planned ");
    EXPECT_EQ(take_status(), 200);
    home_.lookup.take_found();
    EXPECT_TRUE(begin(IoMode::inline_, "/link"));
    EXPECT_EQ(take_status(), 200);
}

TEST_F(LookupTest, WhoIsCancelledComesBackOnce) {
    EXPECT_FALSE(begin(IoMode::threads, "/file"));
    home_.lookup.cancel();
    await_pool();
    EXPECT_EQ(home_.events, "orphaned ");
}

TEST_F(LookupTest, ForgetsWhatItWasAbout) {
    EXPECT_FALSE(begin(IoMode::threads, "/file"));
    await_pool();
    EXPECT_EQ(home_.lookup.target().path, "file");
    home_.lookup.forget();
    EXPECT_EQ(home_.lookup.target().path, "");
    EXPECT_FALSE(home_.lookup.plan);
    EXPECT_EQ(home_.lookup.take_found(), nullptr);
}

} // namespace
} // namespace fsrv::exchange
