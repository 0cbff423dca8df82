// A file that changes while it is being downloaded slowly. Either the old version arrives whole,
// because it still exists (renamed over, removed), or the client sees a broken connection: never a
// whole answer that is no version of the file.

#include "tests/support/files.h"
#include "tests/support/other_host.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <atomic>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

// More than the kernel holds for a connection, so that the server has to read on after the change.
constexpr std::uint64_t kSize = 3 << 20;

struct Change {
    const char* name;
    void (*make)(const fs::path&);
    bool old_version_arrives;
};

void rewrite_in_place(const fs::path& path) {
    for (std::uint64_t at = 0; at < kSize; at += 1 << 20)
        write_at(path, at, pattern(at, 1 << 20, 2));
}

const Change kChanges[] = {
    {"truncated to nothing", [](const fs::path& path) { fs::resize_file(path, 0); }, false},
    {"truncated to half", [](const fs::path& path) { fs::resize_file(path, kSize / 2); }, false},
    {"shorter by a byte", [](const fs::path& path) { fs::resize_file(path, kSize - 1); }, false},
    {"grown", [](const fs::path& path) { append_file(path, "more"); }, false},
    {"rewritten in place", rewrite_in_place, false},
    {"truncated and rewritten to the same size",
     [](const fs::path& path) {
         fs::resize_file(path, 0);
         rewrite_in_place(path);
     },
     false},
    {"one byte changed at its end", [](const fs::path& path) { write_at(path, kSize - 1, "!"); },
     false},
    {"touched", [](const fs::path& path) { set_mtime(path, 1'600'000'000); }, false},
    {"replaced by rename",
     [](const fs::path& path) {
         write_pattern(path.string() + ".new", kSize, 2);
         set_mtime(path.string() + ".new", 1'600'000'000);
         fs::rename(path.string() + ".new", path);
     },
     true},
    {"replaced by a shorter one",
     [](const fs::path& path) {
         write_file(path.string() + ".new", "short");
         fs::rename(path.string() + ".new", path);
     },
     true},
    {"removed", [](const fs::path& path) { fs::remove(path); }, true},
    {"closed to readers", [](const fs::path& path) { ::chmod(path.c_str(), 0); }, true},
    {"its folder renamed",
     [](const fs::path& path) {
         fs::rename(path.parent_path(), path.parent_path().string() + ".old");
     },
     true},
};

struct Mode {
    const char* name;
    std::vector<std::string> args;
    std::string fields; // of the request
    bool paused;        // change it while the download is paused
};

class FileChange : public testing::TestWithParam<const char*> {
  protected:
    void expect_the_right_end(Server& server, const std::string& folder, const Change& change,
                              const Mode& mode);
    TempDir base_;
};

void FileChange::expect_the_right_end(Server& server, const std::string& folder,
                                      const Change& change, const Mode& mode) {
    const std::string target = "/" + folder + "/file.bin";
    const fs::path path = base_.path() / folder / "file.bin";
    fs::create_directories(path.parent_path());
    write_pattern(path, kSize);
    RawClient client(server.port(), {.receive_buffer = 65536});
    client.send(get(target, mode.fields));
    const Response begun = client.read_head();
    ASSERT_TRUE(begun.status == 200 || begun.status == 206);
    const std::uint64_t promised = begun.content_length().value_or(0);
    std::string bytes = client.read_bytes(100'000);
    const std::size_t pauses = server.log().count("paused after");
    if (mode.paused) {
        ASSERT_TRUE(server.log().await_count("paused after", pauses + 1)) << server.log().text();
    }
    change.make(path);
    bytes += client.read_bytes(promised - bytes.size());
    const auto line = server.access().await_line(target);
    ASSERT_TRUE(line.has_value()) << server.access().text();
    const std::uint64_t first = kSize - promised;
    if (change.old_version_arrives) {
        EXPECT_TRUE(is_pattern(bytes, first, promised)) << bytes.size() << got_name(client.end());
        EXPECT_TRUE(line->ends_with(" complete")) << *line;
    } else {
        EXPECT_LT(bytes.size(), promised) << "looks whole";
        EXPECT_TRUE(is_pattern(bytes.substr(0, 100'000), first, 100'000))
            << "what came before the change";
        EXPECT_EQ(client.end(), Got::rst);
        EXPECT_TRUE(line->ends_with(" file-changed")) << *line;
    }
}

TEST_P(FileChange, InMidDownloadNeverLooksWhole) {
    const Mode modes[] = {
        {"a download", {}, "", false},
        {"a paused download", {"--stall-timeout", "100ms"}, "", true},
        {"a range", {}, "Range: bytes=1000-\r\n", false},
    };
    for (const Mode& mode : modes) {
        std::vector<std::string> args = {"--workers", "1",           "--io",
                                         GetParam(),  "--log-level", "debug"};
        args.insert(args.end(), mode.args.begin(), mode.args.end());
        Server server(base_.path(), args);
        for (const Change& change : kChanges) {
            SCOPED_TRACE(std::string(mode.name) + ", " + change.name);
            std::string folder = std::string(mode.name) + change.name;
            std::replace(folder.begin(), folder.end(), ' ', '-');
            std::replace(folder.begin(), folder.end(), ',', '-');
            expect_the_right_end(server, folder, change, mode);
        }
    }
}

// --in-place-writes append: a log is downloaded slowly while it is written. The answer is what was
// there when it began; one that becomes shorter still is cut.
TEST_P(FileChange, OfALogThatGrowsIsNone) {
    const Change changes[] = {
        {"grown", [](const fs::path& path) { append_file(path, "more"); }, true},
        {"grown by much",
         [](const fs::path& path) {
             for (int i = 0; i < 50; ++i) append_file(path, std::string(100'000, 'l'));
         },
         true},
        {"touched", [](const fs::path& path) { set_mtime(path, 1'600'000'000); }, true},
        {"replaced by a shorter one",
         [](const fs::path& path) {
             write_file(path.string() + ".new", "short");
             fs::rename(path.string() + ".new", path);
         },
         true},
        {"emptied", [](const fs::path& path) { fs::resize_file(path, 0); }, false},
        {"shorter by a byte", [](const fs::path& path) { fs::resize_file(path, kSize - 1); },
         false},
        {"emptied and begun anew",
         [](const fs::path& path) {
             fs::resize_file(path, 0);
             append_file(path, "new");
         },
         false},
    };
    const Mode modes[] = {
        {"a download", {}, "", false},
        {"a paused download", {"--stall-timeout", "100ms"}, "", true},
        {"a range", {}, "Range: bytes=1000-\r\n", false},
    };
    for (const Mode& mode : modes) {
        std::vector<std::string> args = {"--workers",         "1",           "--io",
                                         GetParam(),          "--log-level", "debug",
                                         "--in-place-writes", "append"};
        args.insert(args.end(), mode.args.begin(), mode.args.end());
        Server server(base_.path(), args);
        for (const Change& change : changes) {
            SCOPED_TRACE(std::string(mode.name) + ", " + change.name);
            std::string folder = std::string(mode.name) + change.name;
            std::replace(folder.begin(), folder.end(), ' ', '-');
            expect_the_right_end(server, folder, change, mode);
        }
    }
}

// Its tag moves with it: only who asks for the rest without a condition gets on.
TEST_P(FileChange, OfALogThatGrowsIsSeenByTheNextRequest) {
    Server server(base_.path(),
                  {"--workers", "1", "--io", GetParam(), "--in-place-writes", "append"});
    for (const std::uint64_t size : {2'000U, 100'000U, 600'000U}) {
        SCOPED_TRACE(size);
        const std::string target = "/log" + std::to_string(size);
        const fs::path path = base_ / target.substr(1);
        write_pattern(path, size);
        set_mtime(path);
        RawClient client(server.port());
        const std::string tag = client.ask(get(target)).field("ETag").value_or("none");
        append_file(path, pattern(size, 500));
        const Response grown = client.ask(get(target, "If-None-Match: " + tag + "\r\n"));
        EXPECT_EQ(grown.status, 200);
        EXPECT_TRUE(is_pattern(grown.body, 0, size + 500));
        const std::string rest = "Range: bytes=" + std::to_string(size) + "-\r\n";
        EXPECT_TRUE(is_pattern(client.ask(get(target, rest)).body, size, 500));
        EXPECT_EQ(client.ask(get(target, rest + "If-Range: " + tag + "\r\n")).status, 200);
    }
}

// The whole answer is with the kernel, and much of it not yet with the client, when the file is
// rewritten in place: what the client then reads to the end must be the old version. (Bytes that
// the kernel sends straight out of the page cache would change.)
TEST_P(FileChange, AfterTheLastByteWasQueuedDoesNotReachTheClient) {
    Server server(base_.path(), {"--workers", "1", "--io", GetParam()});
    for (const std::uint64_t size : {20'000U, 60'000U, 100'000U, 150'000U, 200'000U}) {
        SCOPED_TRACE(size);
        const std::string name = std::to_string(size);
        write_pattern(base_ / name, size);
        ASSERT_TRUE(is_pattern(fetch(server.port(), "/" + name).body, 0, size)) << "now it is hot";
        RawClient client(server.port(), {.receive_buffer = 4096});
        client.send(get("/" + name));
        ASSERT_EQ(client.read_head().status, 200);
        // Whether it is whole in the kernel shows in the log; a large one may not be, then the
        // change breaks the answer.
        server.access().await_count("/" + name + " ", 2, Deadline(std::chrono::milliseconds(300)));
        write_at(base_ / name, 0, pattern(0, size, 2));
        const std::string bytes = client.read_bytes(size);
        EXPECT_TRUE(bytes.size() < size || is_pattern(bytes, 0, size))
            << "a whole answer that is no version of the file";
        EXPECT_TRUE(bytes.size() == size || client.end() == Got::rst);
    }
}

TEST_P(FileChange, IsSeenByTheNextRequest) {
    write_pattern(base_ / "f", 1000);
    Server server(base_.path(), {"--workers", "1", "--io", GetParam()});
    RawClient client(server.port());
    std::string tag = client.ask(get("/f")).field("ETag").value_or("");
    const auto expect_new = [&](int status, const std::string& body, const char* what) {
        SCOPED_TRACE(what);
        const Response response = client.ask(get("/f", "If-None-Match: " + tag + "\r\n"));
        EXPECT_EQ(response.status, status);
        EXPECT_TRUE(status != 200 || response.body == body);
        EXPECT_EQ(client.ask(get("/f", "Range: bytes=0-9\r\nIf-Range: " + tag + "\r\n")).status,
                  status);
        tag = response.field("ETag").value_or("\"none\"");
    };
    append_file(base_ / "f", "x");
    set_mtime(base_ / "f");
    expect_new(200, pattern(0, 1000) + "x", "grown with its time put back");
    write_at(base_ / "f", 0, "y");
    set_mtime(base_ / "f", 1'600'000'000);
    expect_new(200, "y" + pattern(1, 999) + "x", "changed, and older than before");
    write_file(base_ / "g", "another");
    fs::rename(base_ / "g", base_ / "f");
    set_mtime(base_ / "f", 1'600'000'001);
    expect_new(200, "another", "replaced");
    fs::remove(base_ / "f");
    expect_new(404, "", "removed");
}

// Every version is one letter, so an answer that mixes two shows.
TEST_P(FileChange, ReplacedAllTheTimeItIsAlwaysOneVersion) {
    constexpr std::size_t kBytes = 700'000;
    write_file(base_ / "f", std::string(kBytes, 'a'));
    Server server(base_.path(), {"--workers", "1", "--io", GetParam()});
    std::atomic<bool> over = false;
    std::thread writer([&] {
        for (unsigned i = 0; !over; ++i) {
            write_file(base_ / "new", std::string(kBytes, static_cast<char>('a' + i % 26)));
            fs::rename(base_ / "new", base_ / "f");
        }
    });
    RawClient client(server.port());
    for (int i = 0; i < 150; ++i) {
        const Response response = client.ask(get("/f"));
        EXPECT_TRUE(response.complete() && response.status == 200) << got_name(response.got);
        if (!response.complete()) break;
        EXPECT_EQ(response.body, std::string(kBytes, response.body[0]));
    }
    over = true;
    writer.join();
}

// Clients on this machine and elsewhere, fast and slow ones: whatever waits in queues between is
// one version, or the answer is no whole one.
class FileChangeFrom : public testing::TestWithParam<bool> {
  protected:
    void SetUp() override {
        if (!GetParam()) return;
        other_ = std::make_unique<OtherHost>();
        if (!other_->why_not().empty()) GTEST_SKIP() << other_->why_not();
    }
    ServerSetup server_setup() const {
        ServerSetup setup{.args = {"--workers", "1"}};
        if (!other_) return setup;
        setup.loopback = false;
        setup.args.insert(setup.args.end(), {"--host", other_->address(), "--port", "0"});
        return setup;
    }
    std::unique_ptr<RawClient> connect(const Server& server, const ClientSetup& setup) const {
        return other_ ? other_->connect(server.port(), setup)
                      : std::make_unique<RawClient>(server.port(), setup);
    }

    TempDir base_;
    std::unique_ptr<OtherHost> other_;
};

TEST_P(FileChangeFrom, EverySizeArrivesAsOneVersionOrNotWhole) {
    const Server server(base_.path(), server_setup());
    for (const std::uint64_t size :
         {64ULL << 10, 1ULL << 20, 8ULL << 20, 40ULL << 20, 100ULL << 20}) {
        for (const int receive_buffer : {0, 4096}) {
            // How much is read before the change: nothing, half, all but what is queued at the end.
            for (const std::uint64_t before : {std::uint64_t{0}, size / 2, size - size / 8}) {
                if (receive_buffer != 0 && before > 8 << 20) continue; // that takes long
                SCOPED_TRACE(
                    fmt::format("{} bytes, {} read, buffer {}", size, before, receive_buffer));
                const std::string name = std::to_string(size);
                write_pattern(base_ / name, size);
                const auto client = connect(server, {.receive_buffer = receive_buffer});
                ASSERT_TRUE(client && client->connected());
                client->send(get("/" + name));
                ASSERT_EQ(client->read_head().status, 200);
                std::string bytes = client->read_bytes(before);
                ASSERT_EQ(bytes.size(), before);
                for (std::uint64_t at = 0; at < size; at += 1 << 20)
                    write_at(base_ / name, at,
                             pattern(at, std::min<std::uint64_t>(size - at, 1 << 20), 2));
                bytes += client->read_bytes(size - before);
                EXPECT_TRUE(bytes.size() < size || is_pattern(bytes, 0, size))
                    << "a whole answer that is no version of the file";
                EXPECT_TRUE(bytes.size() == size || client->end() == Got::rst);
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Places, FileChangeFrom, testing::Bool(), [](const auto& place) {
    return place.param ? "AnotherHost" : "Loopback";
});

INSTANTIATE_TEST_SUITE_P(Io, FileChange, testing::Values("threads", "inline", "auto"),
                         [](const auto& mode) { return std::string(mode.param); });

} // namespace
} // namespace fsrv::test
