// Files whose time of modification tells no versions apart: one that tools give to everything, or
// one of a clock that is ahead.

#include "tests/support/files.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSizes[] = {1'000, 100'000, 600'000}; // copied, lent, read as it is sent

std::pair<std::int64_t, std::int64_t> ctime_of(const fs::path& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return {status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
}

class FileTime : public testing::TestWithParam<const char*> {
  protected:
    std::vector<std::string> args() const { return {"--workers", "1", "--io", GetParam()}; }
    // The next version, of the same size and time.
    void replace(const fs::path& path, std::uint64_t size, std::int64_t time, std::uint64_t seed) {
        write_pattern(path.string() + ".new", size, seed);
        set_mtime(path.string() + ".new", time, 0);
        fs::rename(path.string() + ".new", path);
    }
    void rewrite(const fs::path& path, std::uint64_t size, std::int64_t time, std::uint64_t seed) {
        const auto before = ctime_of(path);
        // As often as the clock of the file system needs to move on.
        EXPECT_TRUE(await([&] {
            write_at(path, 0, pattern(0, size, seed));
            set_mtime(path, time, 0);
            return ctime_of(path) != before;
        }));
    }
    // The tag of what is served, which is that version and has no date.
    static std::string expect_undated(RawClient& client, const std::string& target,
                                      std::uint64_t size, std::uint64_t seed,
                                      const std::string& before) {
        const Response response =
            client.ask(get(target, before.empty() ? "" : "If-None-Match: " + before + "\r\n"));
        EXPECT_EQ(response.status, 200);
        EXPECT_TRUE(is_pattern(response.body, 0, size, seed));
        EXPECT_EQ(response.field("Last-Modified"), std::nullopt);
        std::string tag = response.field("ETag").value_or("none");
        EXPECT_TRUE(tag.starts_with("W/\"")) << tag;
        EXPECT_NE(tag, before);
        for (int i = 0; i < 2; ++i)
            EXPECT_EQ(client.ask(get(target, "If-None-Match: " + tag + "\r\n")).status, 304);
        for (const std::string& condition : {tag, tag.substr(2)})
            EXPECT_EQ(client.ask(get(target, "Range: bytes=5-9\r\nIf-Range: " + condition + "\r\n"))
                          .status,
                      200);
        const Response rest = client.ask(get(target, "Range: bytes=7-\r\n"));
        EXPECT_EQ(rest.status, 206) << "as curl and wget ask";
        EXPECT_TRUE(is_pattern(rest.body, 7, size - 7, seed));
        return tag;
    }
    TempDir root_;
};

TEST_P(FileTime, ThatSaysNothingStillTellsVersionsApart) {
    const Server server(root_.path(), args());
    for (const std::int64_t time : {-5L, 0L, 1L, 315'532'800L, 499'162'500L}) {
        for (const std::uint64_t size : kSizes) {
            SCOPED_TRACE(std::to_string(time) + ", " + std::to_string(size) + " bytes");
            const std::string target = "/" + std::to_string(time) + "-" + std::to_string(size);
            const fs::path path = root_ / target.substr(1);
            write_pattern(path, size);
            set_mtime(path, time, 0);
            RawClient client(server.port());
            std::string tag = expect_undated(client, target, size, 1, "");
            replace(path, size, time, 2);
            tag = expect_undated(client, target, size, 2, tag);
            rewrite(path, size, time, 3);
            expect_undated(client, target, size, 3, tag);
        }
    }
}

TEST_P(FileTime, OfAClockThatIsAheadResumes) {
    const Server server(root_.path(), args());
    for (const std::uint64_t size : kSizes) {
        SCOPED_TRACE(size);
        const std::string target = "/" + std::to_string(size);
        write_pattern(root_ / target.substr(1), size);
        set_mtime(root_ / target.substr(1), std::time(nullptr) + 86'400);
        RawClient client(server.port());
        for (int i = 0; i < 2; ++i) {
            const Response whole = client.ask(get(target));
            EXPECT_TRUE(whole.status == 200 && is_pattern(whole.body, 0, size));
            const std::string tag = whole.field("ETag").value_or("none");
            EXPECT_TRUE(tag.starts_with('"')) << tag;
            const std::string date = whole.field("Last-Modified").value_or("none");
            const Response rest =
                client.ask(get(target, "Range: bytes=9-\r\nIf-Range: " + tag + "\r\n"));
            EXPECT_EQ(rest.status, 206);
            EXPECT_TRUE(is_pattern(rest.body, 9, size - 9));
            EXPECT_EQ(
                client.ask(get(target, "Range: bytes=9-\r\nIf-Range: " + date + "\r\n")).status,
                200)
                << "a date that is the answer's";
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Io, FileTime, testing::Values("threads", "inline", "auto"),
                         [](const auto& mode) { return std::string(mode.param); });

} // namespace
} // namespace fsrv::test
