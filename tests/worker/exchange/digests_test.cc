// Digests with real files and a real pool, without a request's connection.
#include "worker/exchange/digests.h"

#include "common/limits.h"
#include "tests/support/await.h"
#include "tests/worker/content/support.h"
#include "tests/worker/http/ask.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <string>
#include <vector>

namespace fsrv::exchange {
namespace {

constexpr const char* kWant = "Want-Repr-Digest: sha-256=5";

class DigestsTest : public testing::Test {
  protected:
    ~DigestsTest() override {
        digests_.stop();
        EXPECT_TRUE(until([&] { return pool_.is_idle(); }));
    }
    template <typename Condition>
    bool until(Condition is_so) {
        return test::await([&] {
            pollfd wake{.fd = pool_.wake_fd(), .events = POLLIN, .revents = 0};
            ::poll(&wake, 1, 10);
            pool_.dispatch();
            return is_so();
        });
    }
    http::Resource find(const std::string& name) const {
        http::FindResult found = store_.find(*http::parse_target("/" + name), {});
        EXPECT_TRUE(found) << name;
        return *std::move(found);
    }
    // The digest that who asks now is told; begins to compute what is not known.
    std::string ask(const std::string& name, const std::vector<std::string>& fields = {kWant}) {
        http::Resource found = find(name);
        const http::test::Asked asked = http::test::ask("GET /t", fields);
        if (!Digests::is_wanted(found, asked.request)) return "";
        if (SharedFile file = digests_.add(found, Digests::whole_file(found)))
            digests_.begin(std::move(file));
        return found.repr_digest;
    }
    bool is_told(const std::string& name, const std::string& bytes) {
        const std::string digest = content::repr_digest(crypto::sha256(bytes));
        return until([&] { return ask(name) == digest; });
    }

    content::Tree tree_;
    content::LocalStore store_{tree_.config(), content::MimeTypes()};
    disk::Pool pool_{{.threads = 2}};
    disk::FileCloser closer_{pool_};
    Digests digests_{store_.known_digests(), pool_, closer_};
};

TEST_F(DigestsTest, WhatNobodyKnowsIsComputedForWhoAsksNext) {
    tree_.file("f", "content");
    EXPECT_EQ(ask("f"), "");
    EXPECT_EQ(digests_.under_way(), 0U) << "it is young, and may change again";
    EXPECT_TRUE(is_told("f", "content"));
    EXPECT_EQ(ask("f", {"Accept: */*"}), "") << "nobody wants it";
    EXPECT_EQ(digests_.under_way(), 0U);
    tree_.file("f", "another");
    EXPECT_EQ(ask("f"), "") << "of that version nothing is known";
    EXPECT_TRUE(is_told("f", "another"));
}

TEST_F(DigestsTest, LargeFilesTakeSeveralTurnsAndEachIsDoneOnce) {
    const std::string large(3 * limits::kDigestBytesInARow + 1, 'x');
    tree_.file("large", large);
    tree_.file("small", "small");
    ASSERT_TRUE(until([&] {
        ask("large");
        return digests_.under_way() == 1;
    }));
    ask("large");
    EXPECT_EQ(digests_.under_way(), 1U) << "it is being done already";
    EXPECT_TRUE(is_told("small", "small"));
    EXPECT_TRUE(is_told("large", large));
}

TEST_F(DigestsTest, OfNothingItIsKnownBeforehand) {
    tree_.file("empty", "");
    EXPECT_EQ(ask("empty"), content::repr_digest(crypto::sha256("")));
}

TEST_F(DigestsTest, WhatIsNoFileHasNone) {
    tree_.folder("d");
    tree_.file("d/f", "content");
    tree_.file("f", "content");
    EXPECT_EQ(ask("d/"), "") << "a listing";
    http::Resource forbidden = find("f");
    forbidden.digests = false;
    http::Resource timeless = find("f");
    timeless.validators->etag.clear();
    const http::test::Asked asked = http::test::ask("GET /t", {kWant});
    EXPECT_FALSE(Digests::is_wanted(forbidden, asked.request));
    EXPECT_FALSE(Digests::is_wanted(timeless, asked.request)) << "its times tell no versions apart";
    EXPECT_TRUE(Digests::is_wanted(find("f"), asked.request));
}

TEST_F(DigestsTest, OnlyOfTheRepresentationThatIsSent) {
    tree_.file("f", "content");
    http::Resource found = find("f");
    found.coded.push_back({.coding = http::Coding::gzip});
    const auto asked = [](const char* codings) {
        return http::test::ask("GET /t", {kWant, std::string("Accept-Encoding: ") + codings});
    };
    EXPECT_FALSE(Digests::is_wanted(found, asked("gzip").request));
    EXPECT_TRUE(Digests::is_wanted(found, asked("br").request)) << "which is not there";
    EXPECT_TRUE(Digests::is_wanted(found, asked("identity").request));
}

TEST_F(DigestsTest, StoppedItBeginsNoMoreAndEndsWhatIsUnderWay) {
    test::make_sparse(tree_.at("large"), std::uint64_t{1} << 36);
    ASSERT_TRUE(until([&] {
        ask("large");
        return digests_.under_way() == 1;
    }));
    digests_.stop();
    EXPECT_TRUE(until([&] { return pool_.is_idle(); })) << "long before its end";
    EXPECT_EQ(digests_.under_way(), 0U);
    ask("large");
    EXPECT_EQ(digests_.under_way(), 0U);
}

TEST_F(DigestsTest, FewFilesAreOpenForItAtATime) {
    constexpr std::size_t kMost = limits::kMostDigestJobs;
    for (std::size_t i = 0; i <= kMost; ++i)
        test::make_sparse(tree_.at("f" + std::to_string(i)), std::uint64_t{1} << 32);
    ASSERT_TRUE(until([&] {
        ask("f0");
        return digests_.under_way() == 1;
    }));
    ASSERT_TRUE(until([&] {
        return content::settles_in_ns(*Digests::whole_file(find("f" + std::to_string(kMost))),
                                      wall_now()) <= 0;
    }));
    for (std::size_t i = 0; i <= kMost; ++i) ask("f" + std::to_string(i));
    EXPECT_EQ(digests_.under_way(), kMost);
}

} // namespace
} // namespace fsrv::exchange
