// A FollowedFile by a hand clock, in a real folder: what the loop sees, and what a thread tells.
#include "worker/content/followed_file.h"

#include "tests/worker/content/support.h"
#include "worker/content/open_file.h"

#include <filesystem>
#include <optional>
#include <sys/stat.h>

namespace fsrv::content {
namespace {

using State = http::Producer::State;
constexpr std::uint64_t kFar = limits::kFollowFarLookMs;

class FollowedFileTest : public testing::TestWithParam<ResolveForm> {
  protected:
    FollowedFileTest() { tree_.file("log", "one\n"); }

    void follow(std::uint64_t first = 0, std::uint64_t end = http::Growing::kNoEnd,
                bool local = true) {
        if (!resolver_) resolver_.emplace(tree_.fd(), tree_.root(), Symlinks::inside, GetParam());
        Reach anywhere;
        auto entry = resolver_->open("log", anywhere);
        ASSERT_TRUE(entry);
        const auto device = entry->status.st_dev;
        auto file = open_file_of(*std::move(entry), device, InPlaceWrites::on);
        file->local = local;
        followed_ = std::make_unique<FollowedFile>(std::move(file), *resolver_, "log");
        followed_->begin_at(first, end);
    }
    // All that there is, and how it ended.
    std::string told() {
        std::string all;
        while (true) {
            char room[5]; // in small pieces
            const auto made = followed_->produce(room);
            if (made.state == State::more) {
                EXPECT_GT(made.bytes, 0U);
                all.append(room, made.bytes);
                continue;
            }
            EXPECT_EQ(made.bytes, 0U);
            state_ = made.state;
            return all;
        }
    }
    bool sees_more() { return followed_->may_have_more(now_ms_); }
    void pass(std::uint64_t ms) { now_ms_ += ms; }

    Tree tree_;
    std::optional<Resolver> resolver_;
    std::unique_ptr<FollowedFile> followed_;
    State state_ = State::broken;
    std::uint64_t now_ms_ = 1'000'000;
};

TEST_P(FollowedFileTest, WhatIsAppendedComesAndNothingTwice) {
    follow();
    EXPECT_EQ(told(), "one\n");
    EXPECT_EQ(state_, State::none_yet);
    test::append_file(tree_.at("log"), "two\n");
    EXPECT_TRUE(sees_more());
    EXPECT_EQ(told(), "two\n");
    EXPECT_EQ(state_, State::none_yet);
    std::string more;
    std::string all;
    for (unsigned i = 0; i < 100; ++i) {
        const std::string line = "line " + std::to_string(i) + "\n";
        test::append_file(tree_.at("log"), line);
        all += line;
        more += told();
        EXPECT_EQ(state_, State::none_yet);
    }
    EXPECT_EQ(more, all);
}

TEST_P(FollowedFileTest, WithNothingNewTheLoopNeedsNoThread) {
    follow();
    told();
    sees_more(); // a far look, which comes first
    for (unsigned i = 0; i < 4; ++i) {
        pass(kFar / 5);
        EXPECT_FALSE(sees_more());
    }
    pass(kFar / 5);
    EXPECT_EQ(sees_more(), GetParam() == ResolveForm::walk)
        << "where the kernel cannot tell at once, a thread has to look";
    EXPECT_EQ(told(), "");
    EXPECT_EQ(state_, State::none_yet);
}

TEST_P(FollowedFileTest, OfAFileThatIsNotLocalAThreadLooksNowAndThen) {
    follow(0, http::Growing::kNoEnd, false);
    told();
    EXPECT_TRUE(sees_more());
    test::append_file(tree_.at("log"), "two\n");
    pass(kFar - 1);
    EXPECT_FALSE(sees_more());
    pass(1);
    EXPECT_TRUE(sees_more());
    EXPECT_EQ(told(), "two\n");
}

TEST_P(FollowedFileTest, BeginsAndEndsWhereItIsTold) {
    tree_.file("log", "0123456789");
    follow(4, 8);
    EXPECT_EQ(told(), "4567");
    EXPECT_EQ(state_, State::end);
    follow(8, 12);
    EXPECT_EQ(told(), "89");
    EXPECT_EQ(state_, State::none_yet);
    test::append_file(tree_.at("log"), "abcdef");
    EXPECT_EQ(told(), "ab");
    EXPECT_EQ(state_, State::end);
    follow(16);
    EXPECT_EQ(told(), "");
    EXPECT_EQ(state_, State::none_yet);
}

TEST_P(FollowedFileTest, AnEmptyFileIsFollowedLikeOthers) {
    tree_.file("log", "");
    follow();
    EXPECT_EQ(told(), "");
    EXPECT_EQ(state_, State::none_yet);
    test::append_file(tree_.at("log"), "a");
    EXPECT_TRUE(sees_more());
    EXPECT_EQ(told(), "a");
}

struct Gone {
    const char* name;
    void (*go)(const Tree& tree);
};
const Gone kGone[] = {
    {"removed", [](const Tree& tree) { std::filesystem::remove(tree.at("log")); }},
    {"renamed",
     [](const Tree& tree) { std::filesystem::rename(tree.at("log"), tree.at("log.1")); }},
    {"replaced",
     [](const Tree& tree) {
         test::write_file(tree.at("new"), "other");
         std::filesystem::rename(tree.at("new"), tree.at("log"));
     }},
    {"rotated",
     [](const Tree& tree) {
         std::filesystem::rename(tree.at("log"), tree.at("log.1"));
         test::write_file(tree.at("log"), "");
     }},
    {"a link to elsewhere in its place",
     [](const Tree& tree) {
         test::write_file(tree.at("new"), "other");
         std::filesystem::rename(tree.at("log"), tree.at("log.1"));
         std::filesystem::create_symlink("new", tree.at("log"));
     }},
};

TEST_P(FollowedFileTest, WhatIsNoLongerThereEndsWithAllThatItHad) {
    for (const Gone& gone : kGone) {
        for (const char* name : {"log", "log.1", "new"}) std::filesystem::remove(tree_.at(name));
        tree_.file("log", "one\n");
        follow();
        told();
        sees_more();
        const int writer = ::open(tree_.at("log").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
        ASSERT_GE(writer, 0);
        gone.go(tree_);
        ASSERT_EQ(::write(writer, "last\n", 5), 5); // it has not heard of it yet
        ::close(writer);
        EXPECT_TRUE(sees_more()) << gone.name;
        EXPECT_EQ(told(), "last\n") << gone.name;
        EXPECT_EQ(state_, State::end) << gone.name;
    }
}

TEST_P(FollowedFileTest, ThatItHasGoneIsSeenWithinASecondThoughItIsStillThere) {
    follow();
    told();
    sees_more();
    std::filesystem::rename(tree_.at("log"), tree_.at("log.1"));
    pass(kFar);
    EXPECT_TRUE(sees_more());
    EXPECT_EQ(told(), "");
    EXPECT_EQ(state_, State::end);
}

TEST_P(FollowedFileTest, OneThatBecameShorterIsNotWhatWasSent) {
    follow();
    told();
    std::filesystem::resize_file(tree_.at("log"), 2);
    EXPECT_TRUE(sees_more());
    EXPECT_EQ(told(), "");
    EXPECT_EQ(state_, State::changed);
}

TEST_P(FollowedFileTest, OneThatWasCutAndHasGrownAgainIsToldByWhatWasSentLast) {
    follow();
    told();
    std::filesystem::resize_file(tree_.at("log"), 0);
    test::append_file(tree_.at("log"), "something else, and longer\n");
    EXPECT_TRUE(sees_more());
    EXPECT_EQ(told(), "");
    EXPECT_EQ(state_, State::changed);
}

TEST_P(FollowedFileTest, WhatWasSentLastIsKeptHoweverSmallThePieces) {
    tree_.file("log", "");
    follow();
    told();
    std::string all;
    for (unsigned i = 0; i < 100; ++i) { // pieces of a byte
        const std::string byte(1, static_cast<char>('a' + i % 26));
        test::append_file(tree_.at("log"), byte);
        EXPECT_EQ(told(), byte);
        all += byte;
    }
    test::write_at(tree_.at("log"), all.size() - limits::kFollowSeam, "!");
    test::append_file(tree_.at("log"), "more");
    EXPECT_EQ(told(), "");
    EXPECT_EQ(state_, State::changed);
}

TEST_P(FollowedFileTest, ItsEndIsWhatThereIsWhenItIsToFinish) {
    follow();
    told();
    followed_->finish();
    EXPECT_TRUE(sees_more());
    test::append_file(tree_.at("log"), "two\n");
    char room[2];
    EXPECT_EQ(followed_->produce(room).bytes, 2U);
    test::append_file(tree_.at("log"), "too late\n");
    EXPECT_EQ(told(), "o\n");
    EXPECT_EQ(state_, State::end);
}

TEST_P(FollowedFileTest, OfTheStoreItHasNeitherTagNorCodingAndIsKeptByNobody) {
    tree_.folder("sub");
    tree_.file("sub/index.html", "index");
    const LocalStore store(tree_.config(GetParam()), MimeTypes());
    const auto find = [&](std::string_view origin) {
        return store.find(*http::parse_target(origin), Ask());
    };
    const auto found = find("/log?follow=2");
    ASSERT_TRUE(found);
    ASSERT_TRUE(found->followed);
    EXPECT_EQ(found->followed->tail, 2U);
    EXPECT_FALSE(found->validators);
    EXPECT_FALSE(found->negotiated);
    EXPECT_FALSE(found->may_be_kept);
    EXPECT_NE(found->extra_fields.find("no-store"), std::string::npos);
    EXPECT_NE(found->body.growing(), nullptr);
    EXPECT_EQ(find("/?follow").error().status, 404) << "a listing";
    EXPECT_TRUE(find("/sub/?follow")->followed) << "its index";
    EXPECT_EQ(find("/none?follow").error().status, 404);
    const auto by_api = find("/files?path=log&follow");
    ASSERT_TRUE(by_api);
    EXPECT_TRUE(by_api->followed);
    EXPECT_NE(by_api->content_disposition, "");
}

INSTANTIATE_TEST_SUITE_P(BothForms, FollowedFileTest, kForms, form_name);

} // namespace
} // namespace fsrv::content
