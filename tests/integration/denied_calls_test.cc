// In a sandbox that is not the server's own, some system calls are not there: denied_calls.def.

#include "tests/support/files.h"
#include "tests/support/hanging_mount.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSmall = 1'000;
constexpr std::uint64_t kMiddle = 100'000;
constexpr std::uint64_t kBig = 3 << 20;

const std::string kCalls[] = {
#define FSRV_DENIED_CALL(name) #name,
#include "tests/integration/denied_calls.def"
#undef FSRV_DENIED_CALL
    "openat2,statx,faccessat2", // as an old Docker has it
};

class DeniedCalls : public testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        if (!have_program("strace")) GTEST_SKIP() << "strace is not installed";
        if (!use_plain_binary())
            GTEST_SKIP() << "FSRV_PLAIN_BINARY names no build without a sanitizer";
        if (!am_root()) GTEST_SKIP() << "needs root to trace";
        fs::create_directories(root_ / "folder/deep");
        fs::create_directory(root_ / "indexed");
        write_pattern(root_ / "small", kSmall);
        write_pattern(root_ / "folder/deep/middle", kMiddle);
        write_pattern(root_ / "big", kBig);
        write_file(root_ / "indexed/index.html", "the index");
        for (const char* file : {"small", "folder/deep/middle", "big"}) set_mtime(root_ / file);
        fs::create_directory_symlink("folder/deep", root_ / "way");
        fs::create_symlink(root_ / "small", root_ / "absolute");
        fs::create_symlink("/etc/passwd", root_ / "outside");
        fs::create_directory(root_ / "mount");
        if (HangingMount::obstacle()) return;
        mount_ = std::make_unique<HangingMount>(
            root_ / "mount", std::map<std::string, std::uint64_t>{{"f", kSmall}});
        fs::create_symlink("../mount/f", root_ / "folder/elsewhere");
    }
    void TearDown() override {
        if (mount_) mount_->end();
    }
    void expect_everything(std::uint16_t port) const {
        RawClient client(port);
        const std::pair<std::string, std::uint64_t> files[] = {
            {"/small", kSmall},    {"/folder/deep/middle", kMiddle},
            {"/big", kBig},        {"/way/middle", kMiddle},
            {"/absolute", kSmall}, {"/files?path=way%2Fmiddle", kMiddle},
            {"/mount/f", kSmall},  {"/folder/elsewhere", kSmall},
        };
        for (const auto& [target, size] : files) {
            SCOPED_TRACE(target);
            const bool mounted = target == "/mount/f" || target == "/folder/elsewhere";
            if (mounted && !mount_) continue;
            for (int i = 0; i < 3; ++i) {
                const Response response = client.ask(get(target));
                EXPECT_EQ(response.status, 200) << response.body.substr(0, 100);
                EXPECT_TRUE(is_pattern(response.body, 0, size)) << response.body.size();
            }
            const Response part = client.ask(get(target, "Range: bytes=9-\r\n"));
            EXPECT_TRUE(is_pattern(part.body, 9, size - 9));
        }
        EXPECT_EQ(client.ask(get("/indexed/")).body, "the index");
        const Response page = client.ask(get("/folder/"));
        EXPECT_EQ(page.status, 200);
        EXPECT_NE(page.body.find("deep/"), std::string::npos) << page.body;
        EXPECT_EQ(page.body.find("elsewhere") != std::string::npos, mount_ != nullptr);
        for (const char* absent : {"/none", "/folder/none", "/outside", "/small/"})
            EXPECT_EQ(client.ask(get(absent)).status, 404) << absent;
    }
    TempDir root_, run_;
    std::unique_ptr<HangingMount> mount_;
};

TEST_P(DeniedCalls, AreDoneWithout) {
    for (const char* error : {"EPERM", "ENOSYS"}) {
        for (const char* io : {"auto", "threads"}) {
            SCOPED_TRACE(std::string(error) + ", --io " + io);
            const std::string trace = (run_ / "trace").string();
            Server server(
                root_.path(),
                {.args = {"--workers", "1", "--io", io, "--in-place-writes", "off", "--pid-file",
                          (run_ / "pid").string(), "--access-log", (run_ / "log").string(),
                          "--unix", (run_ / "socket").string()},
                 .wrapper = {"strace", "-f", "-qq", "-o", trace, "-e", "trace=" + GetParam(), "-e",
                             "inject=" + GetParam() + ":error=" + error},
                 // The start tells of what is slower then.
                 .trouble = {"the system refuses the call fstatfs"}});
            ASSERT_TRUE(server.started()) << server.log().text();
            expect_everything(server.port());
            server.stop();
            // With the others the loop asks for less.
            if (std::string(io) == "auto") {
                EXPECT_NE(read_file(trace).find("(INJECTED)"), std::string::npos);
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Of, DeniedCalls, testing::ValuesIn(kCalls), [](const auto& call) {
    std::string name = call.param;
    std::replace(name.begin(), name.end(), ',', '_');
    return name;
});

} // namespace
} // namespace fsrv::test
