// ?follow, by curl: what is appended comes, and each end is what it is: whole when the file has
// gone or the worker has to, broken when what was sent may be true no more.

#include "tests/integration/admin_support.h"
#include "tests/support/files.h"
#include "tests/support/hanging_mount.h"
#include "tests/support/overlay_mount.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <csignal>
#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <vector>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

// A curl that follows, into a file.
class Tail final {
  public:
    Tail(const Server& server, const fs::path& into, std::string_view target,
         const std::vector<std::string>& more = {})
        : into_(into) {
        if (std::ranges::find(more, "-C") == more.end()) fs::remove(into); // of an earlier one
        std::vector<std::string> command{"curl", "-sS", "-N", "-o", into.string()};
        command.insert(command.end(), more.begin(), more.end());
        command.push_back(server.url(target));
        curl_ = std::make_unique<Background>(command);
    }
    testing::AssertionResult has(const std::string& bytes) const {
        if (await([&] { return read_file(into_.string()) == bytes; }))
            return testing::AssertionSuccess();
        return testing::AssertionFailure() << "has \"" << read_file(into_.string()) << '"';
    }
    int end() { return curl_->wait(); } // curl's exit status

  private:
    fs::path into_;
    std::unique_ptr<Background> curl_;
};

class Follow : public testing::Test {
  protected:
    Follow() { write_file(log_, "one\n"); }

    TempDir base_;
    const fs::path root_ = [this] {
        fs::create_directory(base_ / "root");
        return base_ / "root";
    }();
    const fs::path log_ = root_ / "log";
};

TEST_F(Follow, WhatIsAppendedComesWhateverIsSpokenAndWhereverItBegins) {
    Server server(root_, {"--workers", "2"});
    const struct {
        const char* name;
        const char* target;
        std::vector<std::string> more;
        std::string begin;
    } rows[] = {
        {"http1", "/log?follow", {}, "one\n"},
        {"http2", "/log?follow", {"--http2-prior-knowledge"}, "one\n"},
        {"api", "/files?path=log&follow", {}, "one\n"},
        {"tail", "/log?follow=2", {}, "e\n"},
        {"range", "/log?follow", {"-r", "1-"}, "ne\n"},
        {"suffix", "/log?follow", {"-r", "-1"}, "\n"},
        {"http2 range", "/log?follow", {"-r", "1-", "--http2-prior-knowledge"}, "ne\n"},
        {"coding", "/log?follow", {"--compressed"}, "one\n"},
    };
    std::vector<std::unique_ptr<Tail>> tails;
    for (const auto& row : rows)
        tails.push_back(std::make_unique<Tail>(server, base_ / row.name, row.target, row.more));
    std::string more;
    for (unsigned i = 0; i < 4; ++i) {
        for (std::size_t k = 0; k < tails.size(); ++k)
            ASSERT_TRUE(tails[k]->has(rows[k].begin + more)) << rows[k].name;
        const std::string line = fmt::format("line {}\n", i);
        append_file(log_, line);
        more += line;
    }
    for (std::size_t k = 0; k < tails.size(); ++k)
        ASSERT_TRUE(tails[k]->has(rows[k].begin + more)) << rows[k].name;
    fs::remove(log_);
    for (std::size_t k = 0; k < tails.size(); ++k) EXPECT_EQ(tails[k]->end(), 0) << rows[k].name;
    EXPECT_TRUE(server.access().await_count(" complete", tails.size()));
}

TEST_F(Follow, TheHeadComesBeforeThereIsAByte) {
    Server server(root_, {"--workers", "1"});
    RawClient client(server.port());
    client.send(get("/log?follow=0"));
    const Response begun = client.read_head();
    EXPECT_EQ(begun.status, 200);
    EXPECT_EQ(begun.field("Transfer-Encoding"), "chunked");
    EXPECT_EQ(begun.field("Cache-Control"), "no-store, no-transform");
    for (const char* none : {"Content-Length", "ETag", "Last-Modified", "Accept-Ranges"})
        EXPECT_EQ(begun.count(none), 0U) << none;
    append_file(log_, "two\n");
    EXPECT_EQ(client.read_bytes(7), "4\r\ntwo\n");
    fs::remove(log_);
    EXPECT_EQ(client.read_bytes(7), "\r\n0\r\n\r\n");
    EXPECT_EQ(client.ask(get("/log?follow")).status, 404) << "the connection goes on";
}

TEST_F(Follow, WhatIsReplacedOrRenamedEndsWithAllThatItHad) {
    Server server(root_, {"--workers", "1"});
    for (const bool rotated : {false, true}) {
        write_file(log_, "one\n");
        Tail one(server, base_ / "one", "/log?follow");
        Tail two(server, base_ / "two", "/log?follow", {"--http2-prior-knowledge"});
        EXPECT_TRUE(one.has("one\n"));
        EXPECT_TRUE(two.has("one\n"));
        append_file(log_, "last\n");
        if (rotated) {
            fs::rename(log_, root_ / "log.1");
            write_file(log_, "");
        } else {
            write_file(root_ / "new", "new\n");
            fs::rename(root_ / "new", log_);
        }
        EXPECT_EQ(one.end(), 0);
        EXPECT_EQ(two.end(), 0);
        EXPECT_TRUE(one.has("one\nlast\n"));
        EXPECT_TRUE(two.has("one\nlast\n"));
    }
}

TEST_F(Follow, WhatIsCutNeverEndsAsIfItWereWhole) {
    Server server(root_, {"--workers", "1"});
    const struct {
        const char* name;
        void (*cut)(const fs::path&);
    } rows[] = {
        {"shorter", [](const fs::path& path) { fs::resize_file(path, 2); }},
        {"written anew", [](const fs::path& path) { write_file(path, "x"); }},
        {"written anew, and longer at once",
         [](const fs::path& path) { write_file(path, "something else, and longer\n"); }},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.name);
        write_file(log_, "one\ntwo\n");
        Tail one(server, base_ / "one", "/log?follow");
        Tail two(server, base_ / "two", "/log?follow", {"--http2-prior-knowledge"});
        EXPECT_TRUE(one.has("one\ntwo\n"));
        EXPECT_TRUE(two.has("one\ntwo\n"));
        row.cut(log_);
        EXPECT_EQ(one.end(), 56) << "curl: failure in receiving";
        EXPECT_EQ(two.end(), 92) << "curl: a stream of HTTP/2 was not closed cleanly";
    }
    EXPECT_TRUE(server.access().await_count(" file-changed", 6));
}

TEST_F(Follow, AfterAWorkersDeathItGoesOnWhereItWas) {
    Server server(root_, {{"--workers", "1"}, {}, {}, {}, true, {"was killed by SIGKILL"}});
    Tail before(server, base_ / "copy", "/log?follow");
    EXPECT_TRUE(before.has("one\n"));
    ::kill(server.workers().at(0), SIGKILL);
    EXPECT_NE(before.end(), 0);
    append_file(log_, "two\n");
    ASSERT_TRUE(server.await_workers(1));
    Tail after(server, base_ / "copy", "/log?follow", {"-C", "-"});
    EXPECT_TRUE(after.has("one\ntwo\n"));
    append_file(log_, "three\n");
    EXPECT_TRUE(after.has("one\ntwo\nthree\n"));
    fs::remove(log_);
    EXPECT_EQ(after.end(), 0);
}

TEST_F(Follow, AReloadAnUpgradeAndAStopEndItWithWhatThereIs) {
    Server server(root_, {"--workers", "2"});
    const std::function<void()> ends[] = {
        [&] { server.signal(SIGHUP); },
        [&] {
            server.signal(SIGUSR2);
            server.follow();
        },
        [&] { server.stop(); },
    };
    for (const auto& make_end : ends) {
        Tail one(server, base_ / "one", "/log?follow");
        Tail two(server, base_ / "two", "/log?follow", {"--http2-prior-knowledge"});
        EXPECT_TRUE(one.has("one\n"));
        EXPECT_TRUE(two.has("one\n"));
        make_end();
        EXPECT_EQ(one.end(), 0);
        EXPECT_EQ(two.end(), 0);
    }
}

// As a container has it: the first write copies the file, and no removal shows on its descriptor.
TEST_F(Follow, OnAnOverlayAFileOfALowerLayerIsFollowedWhenItIsWritten) {
    fs::create_directory(root_ / "over");
    const OverlayMount mount(root_ / "over", {"log"});
    if (mount.obstacle()) GTEST_SKIP() << *mount.obstacle();
    Server server(root_, {"--workers", "1"});
    Tail tail(server, base_ / "copy", "/over/log?follow");
    EXPECT_TRUE(tail.has("log"));
    append_file(root_ / "over/log", "+more");
    EXPECT_TRUE(tail.has("log+more"));
    append_file(root_ / "over/log", "+again");
    EXPECT_TRUE(tail.has("log+more+again"));
    fs::remove(root_ / "over/log");
    EXPECT_EQ(tail.end(), 0);
}

TEST_F(Follow, ADiskThatDoesNotAnswerHoldsUpNobodyElse) {
    if (const auto obstacle = HangingMount::obstacle()) GTEST_SKIP() << *obstacle;
    fs::create_directory(root_ / "slow");
    HangingMount mount(root_ / "slow", {{"log", 10}});
    Server server(root_, {"--workers", "1", "--threads", "1"});
    RawClient slow(server.port());
    slow.send(get("/slow/log?follow"));
    EXPECT_EQ(slow.read_head().status, 200);
    EXPECT_EQ(slow.read_bytes(13), "a\r\n" + pattern(0, 10));
    mount.hold(HangingMount::Ask::anything);
    ASSERT_TRUE(mount.await_held(HangingMount::Ask::anything, 1)) << "nobody looks";
    Tail quick(server, base_ / "copy", "/log?follow");
    EXPECT_TRUE(quick.has("one\n"));
    append_file(log_, "two\n");
    EXPECT_TRUE(quick.has("one\ntwo\n"));
    mount.release();
    mount.end();
    EXPECT_EQ(slow.await_end(), Got::rst);
    fs::remove(log_);
    EXPECT_EQ(quick.end(), 0);
}

TEST_F(Follow, ManyWhoWaitTakeNoThreadAndNoTimeout) {
    Server server(root_, {"--workers", "1", "--threads", "1", "--idle-timeout", "100ms",
                          "--stall-timeout", "100ms", "--pause-timeout", "100ms", "--min-rate",
                          "1GiB", "--admin", "127.0.0.1:0"});
    std::vector<std::unique_ptr<RawClient>> clients;
    for (unsigned i = 0; i < 20; ++i) {
        clients.push_back(std::make_unique<RawClient>(server.port()));
        clients.back()->send(get("/log?follow"));
        EXPECT_EQ(clients.back()->read_head().status, 200);
        EXPECT_EQ(clients.back()->read_bytes(7), "4\r\none\n");
    }
    const Admin admin(server);
    EXPECT_TRUE(await([&] { return admin.metrics().sum("fsrv_downloads_following") == 20; }));
    // Some of those timeouts are over when an idle connection has been closed by one.
    RawClient idle(server.port());
    EXPECT_EQ(idle.ask(get("/log")).body, "one\n");
    EXPECT_EQ(idle.await_end(), Got::fin);
    write_pattern(root_ / "cold.bin", 3 << 20);
    EXPECT_EQ(fetch(server.port(), "/cold.bin").body.size(), std::size_t{3 << 20});
    append_file(log_, "two\n");
    for (const auto& client : clients) EXPECT_EQ(client->read_bytes(9), "\r\n4\r\ntwo\n");
    fs::remove(log_);
    for (const auto& client : clients) EXPECT_EQ(client->read_bytes(7), "\r\n0\r\n\r\n");
}

TEST_F(Follow, ThereIsRoomForAQuarterOfTheConnections) {
    Server server(root_, {"--workers", "1", "--max-connections", "8"});
    std::vector<std::unique_ptr<RawClient>> clients;
    for (unsigned i = 0; i < 2; ++i) {
        clients.push_back(std::make_unique<RawClient>(server.port()));
        clients.back()->send(get("/log?follow"));
        EXPECT_EQ(clients.back()->read_head().status, 200);
    }
    const Response refused = fetch(server.port(), "/log?follow");
    EXPECT_EQ(refused.status, 503);
    EXPECT_TRUE(refused.field("Retry-After"));
    EXPECT_EQ(fetch(server.port(), "/log").status, 200);
    clients.front()->close();
    EXPECT_TRUE(await([&] {
        RawClient next(server.port());
        next.send(get("/log?follow"));
        return next.read_head().status == 200;
    }));
}

TEST_F(Follow, WhatIsNoAnswerOfItSaysWhy) {
    fs::create_directory(root_ / "folder");
    Server server(root_, {"--workers", "1"});
    const struct {
        const char* target;
        const char* fields;
        int status;
    } rows[] = {
        {"/log?follow=x", "", 400},  {"/log?follow&follow", "", 400},
        {"/none?follow", "", 404},   {"/folder/?follow", "", 404},
        {"/folder?follow", "", 301}, {"/log?follow", "Range: bytes=5-\r\n", 416},
    };
    for (const auto& [target, fields, status] : rows)
        EXPECT_EQ(fetch(server.port(), target, fields).status, status) << target;
    RawClient old(server.port());
    EXPECT_EQ(old.ask("GET /log?follow HTTP/1.0\r\n\r\n").status, 400);
    const Response head_only = RawClient(server.port()).ask(head("/log?follow"), true);
    EXPECT_EQ(head_only.status, 200);
    EXPECT_EQ(head_only.count("Content-Length"), 0U);
}

// The rule of a file holds, and the answer says of caches what following needs.
TEST_F(Follow, WhoMayNotHaveTheFileMayNotFollowIt) {
    write_file(base_ / "fsrv.toml",
               "[[path]]\nprefix = \"/log\"\nallow = [\"user:ann\"]\n"
               "[[login]]\nname = \"ann\"\npassword = "
               "\"$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O\"\n");
    Server server(root_, {"--workers", "1", "--config", (base_ / "fsrv.toml").string()});
    EXPECT_EQ(fetch(server.port(), "/log?follow").status, 401);
    RawClient client(server.port());
    client.send(get("/log?follow", "Authorization: Basic YW5uOnNlc2FtZQ==\r\n"));
    const Response begun = client.read_head();
    EXPECT_EQ(begun.status, 200);
    EXPECT_EQ(begun.field("Cache-Control"), "no-store, no-transform");
    EXPECT_EQ(client.read_bytes(7), "4\r\none\n");
}

} // namespace
} // namespace fsrv::test
