// File systems that keep to the letter of POSIX and surprise all the same: a read that gives less
// than is there, a time of modification that is always now, a second name for a file.

#include "tests/support/files.h"
#include "tests/support/hanging_mount.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <gtest/gtest.h>
#include <memory>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kBig = 300'001; // two chunks

class OddMount : public testing::TestWithParam<const char*> {
  protected:
    void SetUp() override {
        if (const auto obstacle = HangingMount::obstacle()) GTEST_SKIP() << *obstacle;
    }
    void TearDown() override {
        if (mount_) mount_->end();
    }
    void mount(MountManner manner) {
        const std::map<std::string, std::uint64_t> files = {
            {"ten", 10}, {"big", kBig}, {".htpasswd", 10}, {"REAL~1.TXT", 10}};
        fs::create_directory(root_ / "odd");
        mount_ = std::make_unique<HangingMount>(root_ / "odd", files, std::move(manner));
    }
    static std::vector<std::string> args(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--workers", "1", "--io", GetParam()});
        return more;
    }
    static void expect_served(std::uint16_t port) {
        for (int i = 0; i < 2; ++i) {
            const Response ten = fetch(port, "/odd/ten");
            EXPECT_EQ(ten.status, 200) << ten.body;
            EXPECT_TRUE(is_pattern(ten.body, 0, 10)) << ten.body.size();
            const Response big = fetch(port, "/odd/big");
            EXPECT_EQ(big.status, 200) << big.body.substr(0, 100);
            EXPECT_TRUE(is_pattern(big.body, 0, kBig)) << big.body.size();
        }
        RawClient client(port);
        const Response part = client.ask(get("/odd/big", "Range: bytes=7-200006\r\n"));
        EXPECT_EQ(part.status, 206);
        EXPECT_TRUE(is_pattern(part.body, 7, 200'000)) << part.body.size();
    }
    TempDir root_;
    std::unique_ptr<HangingMount> mount_;
};

TEST_P(OddMount, WithShortReadsIsReadOn) {
    for (const std::uint32_t longest : {4U, 4095U, 100'000U}) {
        SCOPED_TRACE(longest);
        mount({.longest_read = longest});
        const Server server(root_.path(), args());
        if (longest > 10) {
            expect_served(server.port());
        } else {
            EXPECT_TRUE(is_pattern(fetch(server.port(), "/odd/ten").body, 0, 10));
        }
        mount_->end();
        fs::remove(root_ / "odd");
    }
}

// Each look at a file finds it changed; whoever knows that files are only replaced can say so.
TEST_P(OddMount, ThatDatesFilesAtEachLookIsServedWhereNothingIsWrittenInPlace) {
    mount({.dated_now = true});
    for (const char* writes : {"off", "append"}) {
        SCOPED_TRACE(writes);
        const Server server(root_.path(), args({"--in-place-writes", writes}));
        expect_served(server.port());
    }
    const Server server(root_.path(), args());
    EXPECT_EQ(fetch(server.port(), "/odd/ten").status, 503);
}

// DOS gives a file whose name it cannot write a second one.
TEST_P(OddMount, WithShortNamesKeepsHiddenFilesHidden) {
    mount({.second_names = {{"HTPASS~1", ".htpasswd"},
                            {"htpass~1", ".htpasswd"},
                            {"real~1.txt", "REAL~1.TXT"}}});
    fs::create_symlink("odd/HTPASS~1", root_ / "link");
    const Server server(root_.path(), args());
    for (const char* hidden : {"/odd/.htpasswd", "/odd/HTPASS~1", "/odd/htpass~1", "/link"})
        EXPECT_EQ(fetch(server.port(), hidden).status, 404) << hidden;
    for (const char* real : {"/odd/REAL~1.TXT", "/odd/real~1.txt", "/odd/ten"})
        EXPECT_TRUE(is_pattern(fetch(server.port(), real).body, 0, 10)) << real;
    const Server open(root_.path(), args({"--hidden", "on"}));
    for (const char* shown : {"/odd/.htpasswd", "/odd/HTPASS~1", "/link"})
        EXPECT_EQ(fetch(open.port(), shown).status, 200) << shown;
}

INSTANTIATE_TEST_SUITE_P(Io, OddMount, testing::Values("threads", "inline", "auto"),
                         [](const auto& mode) { return std::string(mode.param); });

} // namespace
} // namespace fsrv::test
