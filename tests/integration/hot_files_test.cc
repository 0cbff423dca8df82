// Files that are asked for again and again: whatever a worker keeps of them, the next answer is of
// the file as it is. Where only the path has changed, not the file (a folder renamed, a link
// turned), the change shows soon.

#include "tests/support/files.h"
#include "tests/support/overlay_mount.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <atomic>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

class HotFiles : public testing::TestWithParam<const char*> {
  protected:
    static std::vector<std::string> args(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--workers", "1", "--io", GetParam()});
        return more;
    }
    static void make_hot(std::uint16_t port, const char* target, std::string_view body) {
        for (int i = 0; i < 3; ++i) ASSERT_EQ(fetch(port, target).body, body);
    }
    TempDir root_;
};

TEST_P(HotFiles, ChangeWithTheirContents) {
    for (const std::size_t size : {10U, 3'000U, 100'000U, 700'000U}) {
        SCOPED_TRACE(size);
        const fs::path path = root_ / "f";
        write_file(path, std::string(size, 'a'));
        set_mtime(path);
        Server server(root_.path(), args());
        make_hot(server.port(), "/f", std::string(size, 'a'));
        const std::pair<const char*, std::function<void()>> changes[] = {
            {"one byte, its time put back",
             [&] {
                 write_at(path, size - 1, "b");
                 set_mtime(path);
             }},
            {"a byte longer, its time put back",
             [&] {
                 append_file(path, "c");
                 set_mtime(path);
             }},
            {"a byte shorter", [&] { fs::resize_file(path, size - 1); }},
            {"rewritten", [&] { write_file(path, std::string(size, 'd')); }},
            {"replaced by one as old",
             [&] {
                 write_file(root_ / "new", std::string(size, 'e'));
                 set_mtime(root_ / "new");
                 fs::rename(root_ / "new", path);
             }},
            {"removed and made anew",
             [&] {
                 fs::remove(path);
                 write_file(path, std::string(size, 'f'));
                 set_mtime(path);
             }},
        };
        for (const auto& [what, change] : changes) {
            SCOPED_TRACE(what);
            change();
            const Response response = fetch(server.port(), "/f");
            EXPECT_EQ(response.status, 200);
            EXPECT_TRUE(response.body == read_file(path.string())) << "not the file as it is";
        }
        fs::remove(path);
        EXPECT_EQ(fetch(server.port(), "/f").status, 404);
    }
}

// Removed or replaced, a file of a lower layer stays there as it was: none of its times moves.
TEST_P(HotFiles, OfALowerLayerChangeWithTheirNames) {
    const fs::path files = root_ / "files";
    fs::create_directory(files);
    const OverlayMount mount(files,
                             {"removed", "renamed", "replaced", "anew", "written", "closed"});
    if (mount.obstacle()) GTEST_SKIP() << *mount.obstacle();
    struct Row {
        const char* name;
        std::function<void(const fs::path&)> change;
        int status;
        const char* body;
    };
    const Row rows[] = {
        {"removed", [](const fs::path& path) { fs::remove(path); }, 404, ""},
        {"renamed", [&](const fs::path& path) { fs::rename(path, files / "elsewhere"); }, 404, ""},
        {"replaced",
         [&](const fs::path& path) {
             write_file(files / "new", "as long!");
             set_mtime(files / "new");
             fs::rename(files / "new", path);
         },
         200, "as long!"},
        {"anew",
         [](const fs::path& path) {
             fs::remove(path);
             write_file(path, "made");
             set_mtime(path);
         },
         200, "made"},
        {"written",
         [](const fs::path& path) {
             write_at(path, 0, "W");
             set_mtime(path);
         },
         200, "Written"},
        {"closed", [](const fs::path& path) { ::chmod(path.c_str(), 0); }, 403, ""},
    };
    Server server(root_.path(), args({"--user", "nobody"}));
    for (const Row& row : rows) {
        SCOPED_TRACE(row.name);
        const std::string target = std::string("/files/") + row.name;
        make_hot(server.port(), target.c_str(), row.name);
        row.change(files / row.name);
        const Response response = fetch(server.port(), target);
        EXPECT_EQ(response.status, row.status);
        if (row.status == 200) {
            EXPECT_EQ(response.body, row.body);
        }
    }
}

// Some requests are answered out of what was made ready for them; nobody is to notice.
TEST_P(HotFiles, AreAnsweredAsWithoutACache) {
    for (const std::size_t size : {3'000U, 30'000U, 100'000U, 700'000U}) {
        write_pattern(root_ / std::to_string(size), size);
        set_mtime(root_ / std::to_string(size));
    }
    Server with(root_.path(), args());
    Server without(root_.path(), args({"--cache-files", "0"}));
    const auto undated = [](Response response) {
        const auto at = response.head.find("Date: ");
        EXPECT_NE(at, std::string::npos) << response.head;
        response.head.erase(at, response.head.find("\r\n", at) + 2 - at);
        return response;
    };
    // The order of fields is each way's own.
    const auto sorted_lines = [](const std::string& head) {
        std::vector<std::string> lines;
        std::istringstream in(head);
        for (std::string line; std::getline(in, line);) lines.push_back(line);
        std::sort(lines.begin() + 1, lines.end());
        return lines;
    };
    for (const std::size_t size : {3'000U, 30'000U, 100'000U, 700'000U}) {
        const std::string target = "/" + std::to_string(size);
        const Response first = fetch(without.port(), target);
        const std::string tag = first.field("ETag").value_or("");
        const std::string date = first.field("Last-Modified").value_or("");
        const std::string match = "If-None-Match: " + tag + "\r\n";
        RawClient hot(with.port());
        RawClient plain(without.port());
        for (const std::string& fields :
             {std::string(), match, "if-none-match:" + tag + "\r\n", match + match,
              "If-None-Match: \"x\", " + tag + "\r\n", std::string("If-None-Match: *\r\n"),
              std::string("If-None-Match: \"x\"\r\n"), "If-None-Match: W/" + tag + "\r\n",
              match + "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
              "If-Modified-Since: " + date + "\r\n",
              std::string("If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
              match + "Range: bytes=0-9\r\n", "Range: bytes=0-9\r\nIf-Range: " + tag + "\r\n",
              match + "If-Match: \"x\"\r\n", "If-Match: " + tag + "\r\n",
              std::string("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n")}) {
            for (const bool to_head : {false, true}) {
                SCOPED_TRACE(target + (to_head ? " HEAD " : " GET ") + fields);
                const std::string request = to_head ? head(target, fields) : get(target, fields);
                const Response expected = undated(plain.ask(request, to_head));
                for (int i = 0; i < 2; ++i) {
                    const Response response = undated(hot.ask(request, to_head));
                    EXPECT_EQ(response.status, expected.status);
                    EXPECT_EQ(sorted_lines(response.head), sorted_lines(expected.head));
                    EXPECT_TRUE(response.body == expected.body);
                }
            }
        }
    }
}

TEST_P(HotFiles, AreGoneSoonWhenOnlyTheirPathChanges) {
    for (const char* folder : {"folder", "one", "two"}) fs::create_directories(root_ / folder);
    write_file(root_ / "folder/f", "folder");
    write_file(root_ / "one/f", "one");
    write_file(root_ / "two/f", "two");
    fs::create_directory_symlink("one", root_ / "link");
    Server server(root_.path(), args());
    make_hot(server.port(), "/folder/f", "folder");
    make_hot(server.port(), "/link/f", "one");
    fs::rename(root_ / "folder", root_ / "renamed");
    EXPECT_TRUE(await([&] { return fetch(server.port(), "/folder/f").status == 404; }));
    EXPECT_EQ(fetch(server.port(), "/renamed/f").body, "folder");
    fs::create_directory_symlink("two", root_ / "turned");
    fs::rename(root_ / "turned", root_ / "link");
    EXPECT_TRUE(await([&] { return fetch(server.port(), "/link/f").body == "two"; }));
}

TEST_P(HotFiles, AreClosedToWhoMayNotReadThem) {
    if (!am_root()) GTEST_SKIP() << "needs root to become somebody else";
    write_file(root_ / "f", "f");
    Server server(root_.path(), args({"--user", "nobody"}));
    make_hot(server.port(), "/f", "f");
    ::chmod((root_ / "f").c_str(), 0);
    EXPECT_TRUE(await([&] { return fetch(server.port(), "/f").status == 403; }));
    ::chmod((root_ / "f").c_str(), 0644);
    EXPECT_TRUE(await([&] { return fetch(server.port(), "/f").status == 200; }));
}

// Every version of the small file is one letter.
TEST_P(HotFiles, AreOneVersionWhileTheyAreReplacedAllTheTime) {
    write_file(root_ / "f", std::string(3000, 'a'));
    Server server(root_.path(), args());
    std::atomic<bool> over = false;
    std::thread writer([&] {
        for (unsigned i = 0; !over; ++i) {
            write_file(root_ / "new",
                       std::string(1000 + 100 * (i % 20), static_cast<char>('a' + i % 26)));
            fs::rename(root_ / "new", root_ / "f");
        }
    });
    RawClient client(server.port());
    for (int i = 0; i < 1000; ++i) {
        const Response response = client.ask(get("/f"));
        const bool fine = response.complete() && response.status == 200 &&
                          response.body == std::string(response.body.size(), response.body[0]);
        EXPECT_TRUE(fine) << got_name(response.got) << response.head << response.body;
        if (!fine) break;
    }
    over = true;
    writer.join();
}

void forget(const fs::path& path, std::uint64_t from, std::uint64_t length) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ::fdatasync(fd.get());
    ::posix_fadvise(fd.get(), static_cast<off_t>(from), static_cast<off_t>(length),
                    POSIX_FADV_DONTNEED);
}

// What is in the page cache goes another way than what is not, and the end of a file another than
// its middle: all ways in one download, and several downloads at a time.
TEST_P(HotFiles, OfManyMegabytesArriveWholeColdHotAndInBetween) {
    constexpr std::uint64_t kSize = 40 << 20, kPiece = 3 << 20;
    const fs::path path = root_ / "big";
    write_pattern(path, kSize);
    Server server(root_.path(), args());
    for (const std::string state : {"cold", "striped", "hot"}) {
        SCOPED_TRACE(state);
        if (state == "cold") forget(path, 0, 0);
        if (state == "striped")
            for (std::uint64_t at = 0; at < kSize; at += 2 * kPiece) forget(path, at, kPiece);
        std::vector<std::thread> clients;
        std::atomic<unsigned> whole = 0;
        for (unsigned i = 0; i < 3; ++i)
            clients.emplace_back([&, i] {
                RawClient client(server.port(), {.receive_buffer = i == 0 ? 65536 : 0});
                const std::uint64_t first = i == 2 ? 1'000'001 : 0;
                client.send(get("/big", i == 2 ? "Range: bytes=1000001-\r\n" : ""));
                client.read_head();
                // One looks at each piece before it reads on, the others are as fast as they can
                // be.
                const std::uint64_t piece = i == 0 ? kPiece : kSize;
                std::uint64_t at = first;
                while (at < kSize) {
                    const std::string bytes = client.read_bytes(std::min(piece, kSize - at));
                    if (bytes.empty() || pattern_mismatch(bytes, at)) return;
                    at += bytes.size();
                }
                ++whole;
            });
        for (std::thread& client : clients) client.join();
        EXPECT_EQ(whole, clients.size());
    }
}

// In place, in the middle of a download of what lies in the page cache: it breaks, and before the
// end.
TEST_P(HotFiles, OfManyMegabytesRewrittenUnderWayBreak) {
    constexpr std::uint64_t kSize = 40 << 20;
    const fs::path path = root_ / "big";
    for (const std::uint64_t at : {std::uint64_t{0}, kSize / 2, kSize - 1}) {
        SCOPED_TRACE(at);
        write_pattern(path, kSize);
        Server server(root_.path(), args());
        RawClient client(server.port(), {.receive_buffer = 65536});
        client.send(get("/big"));
        EXPECT_EQ(client.read_head().status, 200);
        EXPECT_TRUE(is_pattern(client.read_bytes(1 << 20), 0, 1 << 20));
        write_at(path, at, "!");
        EXPECT_LT(client.read_to_end().size(), kSize - (1 << 20));
        EXPECT_EQ(client.end(), Got::rst);
    }
}

TEST_P(HotFiles, AreServedWithFewDescriptors) {
    constexpr int kFiles = 400;
    for (int i = 0; i < kFiles; ++i)
        write_file(root_ / std::to_string(i), "file " + std::to_string(i));
    write_pattern(root_ / "big.bin", 3 << 20);
    ServerSetup setup{.args = args(),
                      .environment = {},
                      .wrapper = {},
                      .before_exec =
                          [] {
                              const rlimit few{.rlim_cur = 160, .rlim_max = 160};
                              ::setrlimit(RLIMIT_NOFILE, &few);
                          },
                      .trouble = {}};
    Server server(root_.path(), std::move(setup));
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(
            std::make_unique<RawClient>(server.port(), ClientSetup{.receive_buffer = 65536}));
        clients.back()->send(get("/big.bin"));
        EXPECT_EQ(clients.back()->read_head().status, 200);
    }
    for (int round = 0; round < 2; ++round)
        for (int i = 0; i < kFiles; ++i) {
            const Response response = fetch(server.port(), "/" + std::to_string(i));
            ASSERT_EQ(response.body, "file " + std::to_string(i)) << response.head;
        }
    EXPECT_LT(open_descriptors(server.workers().at(0)), 160U);
    for (const auto& client : clients)
        EXPECT_TRUE(is_pattern(client->read_bytes(3 << 20), 0, 3 << 20));
}

// Queries make no new files of one, and throw out nothing that is kept.
TEST_P(HotFiles, QueriesChangeNothing) {
    constexpr int kFiles = 9;
    TempDir root;
    for (int i = 0; i < kFiles; ++i) {
        write_pattern(root / ("kept" + std::to_string(i)), 300'000);
        set_mtime(root / ("kept" + std::to_string(i)));
    }
    write_pattern(root / "asked", 1000);
    set_mtime(root / "asked");
    Server server(root.path(), args({"--cache-files", "10"}));
    RawClient client(server.port());
    for (int i = 0; i < kFiles; ++i)
        EXPECT_EQ(client.ask(get("/kept" + std::to_string(i))).status, 200);
    EXPECT_EQ(client.ask(get("/asked")).status, 200); // so the answer before is over there too
    const pid_t worker = server.workers().front();
    const unsigned kept = open_descriptors(worker, "/kept");
    for (int i = 0; i < 1000; ++i)
        EXPECT_TRUE(is_pattern(client.ask(get("/asked?" + std::to_string(i))).body, 0, 1000));
    EXPECT_EQ(client.ask(get("/%61sked?x")).status, 200);
    EXPECT_EQ(client.ask(get("//asked")).status, 200);
    EXPECT_EQ(open_descriptors(worker, "/kept"), kept);
    EXPECT_LE(open_descriptors(worker, "/asked"), 1U);
    // A file that goes is let go of without a request.
    std::filesystem::remove(root / "kept0");
    EXPECT_TRUE(await([&] { return open_descriptors(worker, "/kept0") == 0; }));
}

INSTANTIATE_TEST_SUITE_P(Io, HotFiles, testing::Values("threads", "inline", "auto"),
                         [](const auto& mode) { return std::string(mode.param); });

} // namespace
} // namespace fsrv::test
