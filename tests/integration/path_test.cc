// Which file a target means, and that no other is ever served: section 2.6 of the catalogue end to
// end.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <atomic>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <set>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <thread>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

struct Row {
    const char* id;
    const char* target;
    int status, other;
    const char* contents;
};
const Row kPaths[] = {
#include "tests/integration/paths.def"
};

class Paths : public testing::Test {
  protected:
    Paths() {
        for (const char* folder : {"root/dir/.x", "root-evil", "root/.git", "root/.well-known",
                                   "root/line\nfeed", "root/odd", "root/index-folder/index.html",
                                   "root/index-fifo", "root/index-out", "outside"})
            fs::create_directories(base_ / folder);
        const std::pair<const char*, const char*> files[] = {{"secret", "SECRET"},
                                                             {"root-evil/secret", "SECRET"},
                                                             {"outside/inner.txt", "SECRET"},
                                                             {"root/file.txt", "file"},
                                                             {"root/dir/inner.txt", "inner"},
                                                             {"root/dir/.x/y", "SECRET"},
                                                             {"root/.hidden", "SECRET"},
                                                             {"root/.git/config", "SECRET"},
                                                             {"root/.well-known/x", "known"},
                                                             {"root/.well-known/.x", "SECRET"}};
        for (const auto& [name, contents] : files) write_file(base_ / name, contents);
        for (const char* name : kOddNames) write_file(base_ / "root/odd" / name, "odd");
        for (const char* name : {"fifo", "index-fifo/index.html"})
            ::mkfifo((root_ / name).c_str(), 0644);
        link("../../secret", "index-out/index.html");
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        std::strncpy(address.sun_path, (root_ / "socket").c_str(), sizeof address.sun_path - 1);
        const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    void link(const std::string& target, const char* name) {
        fs::create_symlink(target, root_ / name);
    }
    std::string target(std::string text) const {
        for (std::size_t at; (at = text.find("$ROOT")) != std::string::npos;)
            text.replace(at, 5, root_.string());
        return text;
    }

    static constexpr const char* kOddNames[] = {"\xff\xfe",
                                                "a\nb",
                                                "a\tb",
                                                " x",
                                                "x ",
                                                "%41",
                                                "a\\b",
                                                "-rf",
                                                "*",
                                                "?",
                                                "#",
                                                "a:b",
                                                "a+b",
                                                "\xe2\x80\xae",
                                                "\xc3\xa4",
                                                "<img src=x onerror=alert(1)>",
                                                "a\"b'c",
                                                "&amp;",
                                                "javascript:alert(1)",
                                                "x~"};
    TempDir base_;
    fs::path root_ = base_ / "root";
};

TEST_F(Paths, LeadToTheRightFileOrToNone) {
    for (const char* io : {"threads", "inline"}) {
        Server server(root_, {"--workers", "1", "--io", io});
        for (const Row& row : kPaths) {
            SCOPED_TRACE(row.id);
            const Response response = fetch(server.port(), target(row.target));
            ASSERT_TRUE(response.complete()) << got_name(response.got) << response.problem;
            EXPECT_TRUE(response.status == row.status || response.status == row.other)
                << response.head << response.body;
            expect_sound(response);
            EXPECT_EQ((response.head + response.body).find("SECRET"), std::string::npos);
            EXPECT_EQ((response.head + response.body).find(base_.str()), std::string::npos)
                << "tells where the root is";
            EXPECT_EQ(response.count("X-Evil"), 0U) << response.head;
            // One segment, relative: no other host, whatever stands before this server.
            const std::string location = response.field("Location").value_or("x/");
            const std::string segment = location.substr(0, location.find('?'));
            EXPECT_EQ(segment.find('/'), segment.size() - 1) << location;
            EXPECT_EQ(segment.find(':'), std::string::npos) << location;
            EXPECT_NE(segment, "/");
            if (response.status == 200 && row.contents != nullptr) {
                EXPECT_EQ(response.body, row.contents);
            }
        }
    }
}

// `curl -G -d path=...` sends a name as it is typed.
TEST_F(Paths, RawBytesInATargetMeanTheirPercentEncodedForm) {
    const std::pair<const char*, const char*> names[] = {{"\xc3\x9c"
                                                          "bung",
                                                          "%C3%9Cbung"},
                                                         {"\xff\xfe\x80", "%FF%FE%80"},
                                                         {"\xe2\x82\xac", "%E2%82%AC"}};
    for (const auto& [name, encoded] : names) {
        write_file(root_ / (std::string(name) + ".txt"), encoded);
        fs::create_directory(root_ / name);
    }
    for (const char* io : {"auto", "inline"}) {
        Server server(root_, {"--workers", "1", "--io", io});
        for (const auto& [name, encoded] : names) {
            SCOPED_TRACE(encoded);
            const std::string raw = "/" + std::string(name), plain = "/" + std::string(encoded);
            for (int i = 0; i < 3; ++i) { // by the pool, and out of the cache
                EXPECT_EQ(fetch(server.port(), raw + ".txt?" + name).body, encoded);
                EXPECT_EQ(fetch(server.port(), plain + ".txt").body, encoded);
                EXPECT_EQ(fetch(server.port(), "/files?path=." + raw + ".txt").body, encoded);
            }
            const Response folder = fetch(server.port(), raw + "?x=" + name);
            EXPECT_EQ(folder.status, 301);
            EXPECT_EQ(folder.field("Location"),
                      std::string(encoded) + "/?x=" + std::string(encoded));
            EXPECT_EQ(fetch(server.port(), raw + "/").status, 200);
            ASSERT_TRUE(server.access().await_line("GET " + plain + "/ HTTP/1.1\" 200 "));
            EXPECT_EQ(
                server.access().count("GET " + plain + ".txt?" + encoded + " HTTP/1.1\" 200 "), 3U)
                << server.access().text();
        }
        for (const char& c : server.access().text())
            ASSERT_TRUE(static_cast<unsigned char>(c) < 0x80 && c != '\\')
                << server.access().text();
        RawClient absolute(server.port()); // on one connection with others
        EXPECT_EQ(absolute.ask(get("/file.txt")).body, "file");
        EXPECT_EQ(absolute
                      .ask(get("http://t/\xc3\x9c"
                               "bung.txt"))
                      .body,
                  "%C3%9Cbung");
        EXPECT_EQ(absolute.ask(get("/\xff\xfe\x80.txt")).body, "%FF%FE%80");
        EXPECT_EQ(absolute.ask(get("/file.txt")).body, "file");
    }
}

TEST_F(Paths, LongNamesAndDeepPathsAreNotThereOrServed) {
    const std::string longest(255, 'n');
    write_file(root_ / longest, "long");
    Server server(root_, {"--workers", "1"});
    EXPECT_EQ(fetch(server.port(), "/" + longest).body, "long");
    std::string deep = "/";
    for (int i = 0; i < 2100; ++i) deep += "a/";
    std::string folders = "/";
    while (folders.size() < 4096) folders += std::string(200, 'd') + "/";
    for (const std::string& name :
         {"/" + longest + "n", deep, folders.substr(0, 4095), folders.substr(0, 4096)})
        EXPECT_EQ(fetch(server.port(), name).status, 404) << name.size();
}

TEST_F(Paths, HiddenNamesAreServedWhenAsked) {
    Server server(root_, {"--workers", "1", "--hidden", "on"});
    EXPECT_EQ(fetch(server.port(), "/.git/config").body, "SECRET");
    EXPECT_EQ(fetch(server.port(), "/../secret").status, 400);
    EXPECT_NE(fetch(server.port(), "/").body.find(".hidden"), std::string::npos);
}

TEST_F(Paths, LinksAreFollowedAsTheModeSays) {
    link("file.txt", "relative");
    link((root_ / "file.txt").string(), "absolute");
    link("dir/../file.txt", "dots-inside");
    link("dir", "folder");
    link((root_ / "dir").string(), "absolute-folder");
    link("../secret", "out");
    link((base_ / "secret").string(), "absolute-out");
    link("../outside", "folder-out");
    link("../root/file.txt", "out-and-in");
    link("loop", "loop");
    link("nothing", "dangling");
    link("/proc/self/status", "proc");
    link("/proc/self/root/etc/hostname", "magic");
    link("file.txt", "chain0");
    for (int i = 1; i <= 41; ++i)
        link("chain" + std::to_string(i - 1), ("chain" + std::to_string(i)).c_str());
    struct Link {
        const char* target;
        int inside, never, follow;
    };
    const Link table[] = {
        {"/relative", 200, 404, 200},
        {"/absolute", 200, 404, 200},
        {"/dots-inside", 200, 404, 200},
        {"/folder/inner.txt", 200, 404, 200},
        {"/absolute-folder/inner.txt", 200, 404, 200},
        {"/folder", 301, 404, 301},
        {"/out", 404, 404, 200},
        {"/absolute-out", 404, 404, 200},
        {"/folder-out/inner.txt", 404, 404, 200},
        {"/loop", 404, 404, 404},
        {"/dangling", 404, 404, 404},
        {"/magic", 404, 404, 404},
        {"/chain39", 200, 404, 200},
        {"/chain41", 404, 404, 404},
        {"/files?path=relative", 200, 404, 200},
        {"/files?path=out", 404, 404, 200},
        {"/proc", 404, 404, 404},
    };
    for (const std::string mode : {"inside", "never", "follow"}) {
        Server server(root_, {"--workers", "1", "--symlinks", mode});
        for (const Link& row : table) {
            SCOPED_TRACE(mode + " " + row.target);
            const Response response = fetch(server.port(), row.target);
            EXPECT_EQ(response.status, mode == "inside"  ? row.inside
                                       : mode == "never" ? row.never
                                                         : row.follow)
                << response.body;
            EXPECT_TRUE(mode == "follow" || response.body.find("SECRET") == std::string::npos);
        }
        EXPECT_EQ(fetch(server.port(), "/file.txt").body, "file") << "no thread hangs";
    }
}

// The owner of the files swaps them as fast as the kernel can.
TEST_F(Paths, ASwappedLinkNeverLeadsOut) {
    link("../secret", "swap-link");
    write_file(root_ / "swap", "good");
    link("../outside", "swap-folder-link");
    fs::create_directories(root_ / "swap-folder");
    write_file(root_ / "swap-folder/inner.txt", "good");
    fs::create_directories(root_ / "moving");
    link("moving/../file.txt", "through");
    Server server(root_, {"--workers", "1"});
    std::atomic<bool> over = false;
    std::thread swapper([&] {
        const auto at = [&](const char* name) { return (base_ / name).string(); };
        while (!over) {
            ::renameat2(AT_FDCWD, at("root/swap").c_str(), AT_FDCWD, at("root/swap-link").c_str(),
                        RENAME_EXCHANGE);
            ::renameat2(AT_FDCWD, at("root/swap-folder").c_str(), AT_FDCWD,
                        at("root/swap-folder-link").c_str(), RENAME_EXCHANGE);
            ::renameat2(AT_FDCWD, at("root/moving").c_str(), AT_FDCWD, at("outside/moving").c_str(),
                        0);
            ::renameat2(AT_FDCWD, at("outside/moving").c_str(), AT_FDCWD, at("root/moving").c_str(),
                        0);
        }
    });
    RawClient client(server.port());
    std::set<int> statuses;
    for (int i = 0; i < 3000; ++i) {
        const char* name = i % 3 == 0   ? "/swap"
                           : i % 3 == 1 ? "/swap-folder/inner.txt"
                                        : "/through";
        const Response response = client.ask(get(name));
        statuses.insert(response.status);
        const bool fine =
            response.complete() && response.body.find("SECRET") == std::string::npos &&
            (response.status != 200 || response.body == "good" || response.body == "file");
        EXPECT_TRUE(fine) << name << got_name(response.got) << response.head << response.body;
        if (!fine) break;
    }
    over = true;
    swapper.join();
    for (const int status : statuses)
        EXPECT_TRUE(status == 200 || status == 404 || status == 503) << status;
}

TEST_F(Paths, WhatMayNotBeReadIs403) {
    if (!am_root()) GTEST_SKIP() << "needs root to become somebody else";
    write_file(root_ / "mine", "SECRET");
    fs::create_directories(root_ / "closed/sub");
    write_file(root_ / "closed/inner.txt", "SECRET");
    fs::create_directories(root_ / "blind");
    write_file(root_ / "blind/inner.txt", "inner");
    fs::create_directories(root_ / "index-mine");
    write_file(root_ / "index-mine/index.html", "SECRET");
    ::chmod((root_ / "mine").c_str(), 0);
    ::chmod((root_ / "closed").c_str(), 0700);
    ::chmod((root_ / "blind").c_str(), 0711);
    ::chmod((root_ / "index-mine/index.html").c_str(), 0600);
    EXPECT_EQ(::mknod((root_ / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
    EXPECT_EQ(::mknod((root_ / "zero").c_str(), S_IFCHR | 0666, makedev(1, 5)), 0);
    Server server(root_, {"--workers", "1", "--user", "nobody"});
    const std::pair<const char*, int> table[] = {
        {"/mine", 403},
        {"/closed/inner.txt", 403},
        {"/closed/", 403},
        {"/blind/", 403},
        {"/blind/inner.txt", 200},
        {"/index-mine/", 403},
        {"/files?path=mine", 403},
        {"/null", 403},
        {"/zero", 403},
        {"/file.txt", 200},
    };
    for (const auto& [name, status] : table) {
        const Response response = fetch(server.port(), name);
        EXPECT_EQ(response.status, status) << name << response.body;
        EXPECT_EQ(response.body.find("SECRET"), std::string::npos);
    }
}

std::vector<std::string> links_of(const std::string& html) {
    std::vector<std::string> links;
    for (std::size_t at = 0; (at = html.find(" href=\"", at)) != std::string::npos;) {
        at += 7;
        std::string link = html.substr(at, html.find('"', at) - at);
        for (std::size_t mark; (mark = link.find("&amp;")) != std::string::npos;)
            link.replace(mark, 5, "&");
        links.push_back(link);
    }
    return links;
}

TEST_F(Paths, AListingNamesEveryEntryAndItsLinksWork) {
    Server server(root_, {"--workers", "1"});
    const Response page = fetch(server.port(), "/odd/");
    EXPECT_EQ(page.body.find("<img"), std::string::npos);
    EXPECT_EQ(page.body.find("<script"), std::string::npos);
    EXPECT_NE(page.body.find("</html>"), std::string::npos);
    EXPECT_EQ(page.count("Content-Security-Policy"), 1U);
    std::size_t served = 0;
    for (const std::string& link : links_of(page.body)) {
        if (link.starts_with("data:")) continue; // the page's icon
        EXPECT_FALSE(link.starts_with("javascript:") || link.starts_with("//")) << link;
        if (link.starts_with('?') || link.starts_with('#') ||
            link.find("..") != std::string::npos || link == "/")
            continue;
        std::string path = link.starts_with('/')
                               ? link
                               : "/odd/" + (link.starts_with("./") ? link.substr(2) : link);
        if (path == "/odd/" || path.find('?') != std::string::npos) continue;
        EXPECT_EQ(fetch(server.port(), path).body, "odd") << link;
        ++served;
    }
    EXPECT_EQ(served, std::size(kOddNames));

    const Response json = fetch(server.port(), "/odd/?format=json");
    const RunResult names =
        run({"python3", "-c",
             "import json,sys; d = json.loads(sys.stdin.buffer.read().decode('utf-8')); "
             "e = d if isinstance(d, list) else d['entries']; print(len(e)); "
             "print('\\n'.join(sorted(x['name'] for x in e if x['name'].isascii())))"},
            {.input = json.body});
    ASSERT_TRUE(ran_well(names, "the listing as JSON")) << json.body;
    EXPECT_TRUE(names.out.starts_with(std::to_string(std::size(kOddNames)) + "\n")) << names.out;
    EXPECT_NE(names.out.find("<img src=x onerror=alert(1)>"), std::string::npos);

    const Response root = fetch(server.port(), "/");
    for (const char* hidden : {".git", ".hidden"})
        EXPECT_EQ(root.body.find(hidden), std::string::npos);
    EXPECT_NE(root.body.find("file.txt"), std::string::npos);
}

TEST_F(Paths, AListingOfThousandsIsWhole) {
    fs::create_directories(root_ / "many");
    for (int i = 0; i < 3000; ++i) write_file(root_ / "many" / ("entry-" + std::to_string(i)), "");
    Server server(root_, {"--workers", "1"});
    const Response page = fetch(server.port(), "/many/");
    ASSERT_TRUE(page.complete());
    for (int i = 0; i < 3000; ++i)
        ASSERT_NE(page.body.find("entry-" + std::to_string(i)), std::string::npos) << i;
}

TEST_F(Paths, AnErrorTellsTheClientNothingOfItsOwnBytes) {
    Server server(root_, {"--workers", "1"});
    for (const char* accept :
         {"text/html", "application/json", "application/problem+json", "*/*"}) {
        for (const char* name :
             {"/%3Cscript%3Ealert(1)%3C/script%3E", "/%22%7d,x", "/none%0d%0aX-Evil:%201"}) {
            const Response response =
                fetch(server.port(), name, "Accept: " + std::string(accept) + "\r\n");
            EXPECT_TRUE(response.status == 404 || response.status == 400);
            EXPECT_EQ(response.body.find("<script"), std::string::npos);
            EXPECT_EQ(response.body.find(base_.str()), std::string::npos);
            EXPECT_EQ(response.count("X-Evil"), 0U);
            EXPECT_LT(response.body.size(), 16384U);
        }
    }
}

TEST_F(Paths, TheRootMayBeTheWholeFileSystem) {
    Server server("/", {"--workers", "1"});
    server.expect_trouble("serving the whole file system");
    EXPECT_EQ(fetch(server.port(), "/files?path=" + (root_ / "file.txt").string()).body, "file");
    EXPECT_EQ(fetch(server.port(), "/files?path=" + (root_ / "file.txt").string().substr(1)).body,
              "file");
    EXPECT_EQ(fetch(server.port(), (root_ / "dir/inner.txt").string()).body, "inner");
    EXPECT_EQ(fetch(server.port(), "/files?path=/proc/self/environ").status, 404);
    EXPECT_EQ(fetch(server.port(), "/files?path=/../etc/none-such").status, 400);
}

} // namespace
} // namespace fsrv::test
