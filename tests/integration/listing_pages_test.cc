// Long folders through the real binary: in pages, filtered, and as a stream of lines, by HTTP/1.1
// and HTTP/2, for those alone who may have what is listed.

#include "tests/support/await.h"
#include "tests/support/files.h"
#include "tests/support/hanging_mount.h"
#include "tests/support/http2_client.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"
#include "tests/support/texts.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <set>
#include <thread>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_in(std::string_view json) {
    return texts_between(json, "{\"name\":\"", "\"");
}

class ListingPages : public testing::TestWithParam<const char*> {
  protected:
    ListingPages() {
        fs::create_directories(root_ / "d/.hidden-folder");
        for (unsigned i = 0; i < 40; ++i) {
            write_file(root_ / "d" / fmt::format("file{}.txt", i), std::string(i % 3, 'x'));
            set_mtime(root_ / "d" / fmt::format("file{}.txt", i));
        }
        for (int i = 0; i < 5; ++i) fs::create_directories(root_ / "d" / fmt::format("sub{}", i));
        write_file(root_ / "d/.hidden", "");
    }
    void start(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--workers", "1", "--io", GetParam()});
        server_.emplace(root_.path(), more);
    }
    Response ask(const std::string& target, const std::string& fields = "") const {
        return fetch(server_->port(), target, fields);
    }

    TempDir root_, conf_;
    std::optional<Server> server_;
};

INSTANTIATE_TEST_SUITE_P(Modes, ListingPages, testing::Values("auto", "threads", "inline"));

TEST_P(ListingPages, AreTheSameByBothProtocols) {
    struct Row {
        const char* query;
        int status;
        std::size_t entries;
        const char* has; // in the body
    };
    const Row rows[] = {
        {"?format=json", 200, 45, "\"truncated\":false}"},
        {"?format=json&limit=10", 200, 10,
         "\"truncated\":true,\"next\":\"?format=json&limit=10&after=file4.txt\"}"},
        {"?format=json&limit=3", 200, 3, "\"next\":\"?format=json&limit=3&after=sub2%2F\"}"},
        {"?format=json&limit=10&after=file4.txt", 200, 10, "\"name\":\"file14.txt\""},
        {"?format=json&limit=100&after=file4.txt", 200, 35, "\"truncated\":false}"},
        {"?format=json&before=file4.txt&limit=2", 200, 2, "\"name\":\"file3.txt\""},
        {"?format=json&limit=2&sort=size", 200, 2, "&sort=size&order=desc&limit=2&after=sub1%2F"},
        {"?format=json&q=FILE3", 200, 11, "\"name\":\"file39.txt\""},
        {"?format=json&q=hidden", 200, 0, "\"entries\":[\n]"},
        {"?format=ndjson", 200, 45, "\"name\":\"sub4\",\"type\":\"directory\""},
        {"?format=ndjson&q=sub", 200, 5, "\"href\":\"sub0/\""},
        {"?limit=3", 200, 0, "<a rel=\"next\" href=\"?limit=3&amp;after=sub2%2F\">Next</a>"},
        {"?limit=0", 400, 0, "limit="},
        {"?after=a&before=b", 400, 0, "not both"},
        {"?sort=time&after=gone", 400, 0, "at="},
        {"?q=%zz", 400, 0, "percent-encoding"},
    };
    start();
    Http2Client client(server_->port());
    for (const Row& row : rows) {
        const std::string target = std::string("/d/") + row.query;
        const Response http1 = ask(target);
        EXPECT_TRUE(http1.complete()) << target;
        EXPECT_EQ(http1.status, row.status) << target;
        EXPECT_EQ(names_in(http1.body).size(), row.entries) << target << "\n" << http1.body;
        EXPECT_NE(http1.body.find(row.has), std::string::npos) << target << "\n" << http1.body;
        const Http2Answer http2 = client.ask(target);
        EXPECT_TRUE(http2.whole) << target;
        EXPECT_EQ(http2.status, row.status) << target;
        EXPECT_EQ(http2.body, http1.body) << target;
        EXPECT_EQ(http2.field("content-type"), http1.field("Content-Type")) << target;
    }
}

TEST_P(ListingPages, HaveEachNameOnceWhileOthersComeAndGo) {
    start();
    std::atomic<bool> over = false;
    std::thread busy([&] {
        for (int i = 0; !over; ++i) {
            const fs::path name = root_ / "d" / fmt::format("file{}.txt-passing", i % 45);
            write_file(name, "");
            fs::remove(name);
        }
    });
    for (int round = 0; round < 5; ++round) {
        std::vector<std::string> seen;
        std::string target = "/d/?format=json&limit=4";
        for (int pages = 0; !target.empty() && pages < 100; ++pages) {
            const Response page = ask(target);
            ASSERT_EQ(page.status, 200) << target;
            for (const std::string& name : names_in(page.body))
                if (name.find("passing") == std::string::npos) seen.push_back(name);
            const auto next = texts_between(page.body, "\"next\":\"", "\"");
            target = next.empty() ? "" : "/d/" + next.front();
        }
        EXPECT_EQ(seen.size(), 45U);
        EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 45U);
    }
    over = true;
    busy.join();
}

TEST_P(ListingPages, AsLinesHaveNoLength) {
    start();
    const Response stream = ask("/d/?format=ndjson");
    EXPECT_TRUE(stream.complete());
    EXPECT_EQ(stream.field("Transfer-Encoding"), "chunked");
    EXPECT_EQ(stream.count("Content-Length"), 0U);
    EXPECT_EQ(stream.count("Accept-Ranges"), 0U);
    EXPECT_EQ(stream.field("Content-Type"), "application/x-ndjson; charset=utf-8");
    EXPECT_EQ(ask("/d/?format=ndjson", "Range: bytes=0-9\r\n").status, 200);
    EXPECT_EQ(ask("/d/?format=ndjson", "Accept-Encoding: gzip\r\n").count("Content-Encoding"), 0U);

    RawClient client(server_->port());
    const Response none = client.ask(head("/d/?format=ndjson"), true);
    EXPECT_EQ(none.status, 200);
    EXPECT_EQ(none.field("Content-Type"), stream.field("Content-Type"));
    EXPECT_EQ(client.ask(get("/d/file1.txt")).body, "x") << "the connection goes on";
    RawClient old(server_->port());
    EXPECT_EQ(old.ask("GET /d/?format=ndjson HTTP/1.0\r\n\r\n").status, 400);
    RawClient gone(server_->port()); // in the middle
    gone.send(get("/d/?format=ndjson"));
    gone.read_head();
}

TEST_P(ListingPages, HaveNothingThatTheAskerMayNotHave) {
    write_file(conf_ / "fsrv.toml",
               "[[path]]\nprefix = \"/d/sub1\"\nallow = [\"user:ann\"]\n"
               "[[path]]\nprefix = \"/d/file7.txt\"\nallow = []\n"
               "[[login]]\nname = \"ann\"\npassword = "
               "\"$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O\"\n");
    fs::create_symlink("file7.txt", root_ / "d/link-to-7");
    start({"--config", (conf_ / "fsrv.toml").string()});
    const std::string ann = "Authorization: Basic YW5uOnNlc2FtZQ==\r\n";
    for (const std::string query : {"?format=json&limit=1000", "?format=ndjson"}) {
        const Response anyone = ask("/d/" + query);
        EXPECT_EQ(names_in(anyone.body).size(), 43U) << anyone.body;
        for (const char* name : {"sub1", "file7.txt", "link-to-7", "hidden"})
            EXPECT_EQ(anyone.body.find(name), std::string::npos) << query << ": " << name;
        EXPECT_EQ(anyone.field("Vary"), "Accept, Authorization") << query;
        EXPECT_EQ(anyone.field("Cache-Control"), "private, no-cache") << query;
        const Response known = ask("/d/" + query, ann);
        EXPECT_EQ(names_in(known.body).size(), 44U) << known.body;
        EXPECT_NE(known.body.find("\"name\":\"sub1\""), std::string::npos) << query;
    }
    const Response page = ask("/d/", ann);
    EXPECT_NE(page.body.find("Logged in as <b>ann</b>"), std::string::npos);
    EXPECT_EQ(page.field("Vary"), "Accept, Authorization");
    EXPECT_EQ(ask("/d/").body.find("Logged in"), std::string::npos);
    // Nor does a place in the order tell what a name is that one may not have.
    EXPECT_EQ(ask("/d/?format=json&limit=2&after=sub1").body,
              ask("/d/?format=json&limit=2&after=sub1-gone").body);
}

// A folder's lines wait for another device only where a name leads there, and only they.
TEST_P(ListingPages, AsLinesAskTheDeviceThatALinkLeadsTo) {
    if (const auto obstacle = HangingMount::obstacle()) GTEST_SKIP() << *obstacle;
    fs::create_directories(root_ / "other");
    HangingMount mount(root_ / "other", {{"ok", 2}});
    fs::create_symlink("../other/ok", root_ / "d/to-ok");
    fs::create_directory_symlink("../other", root_ / "d/to-folder");
    start();
    const Response stream = ask("/d/?format=ndjson");
    EXPECT_TRUE(stream.complete());
    EXPECT_EQ(names_in(stream.body).size(), 47U) << stream.body;
    EXPECT_NE(stream.body.find("{\"name\":\"to-ok\",\"type\":\"file\",\"size\":2,"),
              std::string::npos)
        << stream.body;
    EXPECT_NE(stream.body.find("{\"name\":\"to-folder\",\"type\":\"directory\","),
              std::string::npos)
        << stream.body;
    mount.end();
}

} // namespace
} // namespace fsrv::test
