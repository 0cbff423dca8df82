// Listings as programs read them: those that mount them, mirror them and play from them.

#include "tests/support/files.h"
#include "tests/support/hanging_mount.h"
#include "tests/support/own_mounts.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/response.h"
#include "tests/support/server.h"

#include <cerrno>
#include <csignal>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <sys/mount.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

#define NEEDS(program)                                                                             \
    if (!have_program(program)) GTEST_SKIP() << program << " is not installed"

// Names that programs have stumbled over, each the file's contents. (What begins with a tilde is a
// home to lftp, however it is written.)
constexpr const char* kNames[] = {
    "plain.txt", "with space.txt", "(1) copy.txt", "!important",
    "@scope",    "$dollar",        "+plus+",       "'quoted'",
    "-dash",     "_under",         "#hash",        "100%41.txt",
    "a&b;c=d,e", "colon:x.txt",    "[brackets]",   "\xc3\xa4\xe2\x82\xac.txt"};

class Listings : public testing::Test {
  protected:
    Listings() {
        fs::create_directories(root_ / "tree/(sub) folder/deeper");
        for (const char* name : kNames) {
            for (const char* folder : {"tree", "tree/(sub) folder"}) {
                write_file(root_ / folder / name, name);
                set_mtime(root_ / folder / name);
            }
        }
        write_file(root_ / "tree/(sub) folder/deeper/end", "end");
        set_mtime(root_ / "tree/(sub) folder");
    }

    void start() { server_.emplace(root_.path(), std::vector<std::string>{"--workers", "1"}); }
    RunResult here(const std::vector<std::string>& command) {
        return run(command, {.environment = {"no_proxy=*", "http_proxy=", "HOME=" + here_.str()},
                             .directory = here_.str(),
                             .input = {}});
    }
    // Every name in `folder`, with its own contents, and nothing else but "(sub) folder".
    static void expect_whole(const fs::path& folder) {
        std::set<std::string> expected(std::begin(kNames), std::end(kNames));
        std::set<std::string> seen;
        for (const auto& entry : fs::directory_iterator(folder))
            if (entry.is_regular_file()) seen.insert(entry.path().filename().string());
        EXPECT_EQ(seen, expected) << folder;
        for (const char* name : kNames) EXPECT_EQ(read_file((folder / name).string()), name);
    }

    TempDir root_, here_;
    std::optional<Server> server_;
};

TEST_F(Listings, HttpdirfsMountsThemWithEveryName) {
    NEEDS("httpdirfs");
    if (const auto obstacle = HangingMount::obstacle()) GTEST_SKIP() << *obstacle;
    start();
    const fs::path where = here_ / "mounted";
    fs::create_directories(where);
    Background httpdirfs({"httpdirfs", "-f", server_->url("/tree/"), where.string()},
                         {.environment = {"no_proxy=*", "http_proxy=", "HOME=" + here_.str()},
                          .directory = here_.str(),
                          .input = {}});
    EXPECT_TRUE(await([&] {
        std::error_code ignored;
        return fs::exists(where / "plain.txt", ignored);
    }));
    expect_whole(where);
    expect_whole(where / "(sub) folder");
    EXPECT_EQ(read_file((where / "(sub) folder/deeper/end").string()), "end");
    struct stat status {};
    EXPECT_EQ(::stat((where / "plain.txt").c_str(), &status), 0);
    EXPECT_EQ(status.st_mtime, 1700000000);
    httpdirfs.signal(SIGTERM);
    EXPECT_EQ(httpdirfs.wait(), 0);
    ::umount2(where.c_str(), MNT_DETACH);
}

TEST_F(Listings, LftpMirrorsThemAndReadsDates) {
    NEEDS("lftp");
    start();
    const std::string quiet = "set cmd:fail-exit yes; set net:max-retries 1; ";
    const RunResult list = here({"lftp", "-c", quiet + "open " + server_->url("/tree/") + "; ls"});
    ASSERT_TRUE(ran_well(list, "lftp ls"));
    const std::string when = "  2023-11-14 22:13  ";
    EXPECT_NE(list.out.find(" 9" + when + "plain.txt\n"), std::string::npos) << list.out;
    EXPECT_NE(list.out.find("drwxr-xr-x            -" + when + "(sub) folder\n"), std::string::npos)
        << list.out;
    ASSERT_TRUE(ran_well(
        here({"lftp", "-c", quiet + "open " + server_->url("/tree/") + "; mirror . mirrored"}),
        "lftp mirror"));
    expect_whole(here_ / "mirrored");
    expect_whole(here_ / "mirrored/(sub) folder");
    EXPECT_EQ(read_file((here_ / "mirrored/(sub) folder/deeper/end").string()), "end");
}

TEST_F(Listings, RcloneReadsEveryName) {
    NEEDS("rclone");
    start();
    ASSERT_TRUE(ran_well(here({"rclone", "--config", "", "copy", ":http:", "copied", "--http-url",
                               server_->url("/tree/")}),
                         "rclone copy"));
    expect_whole(here_ / "copied");
    expect_whole(here_ / "copied/(sub) folder");
}

// A mirror asks for each file and each folder once, not for every order of every folder.
TEST_F(Listings, WgetMirrorsThemWithOneRequestForEachFileAndFolder) {
    NEEDS("wget");
    start();
    ASSERT_TRUE(ran_well(here({"wget", "-q", "-m", "-nH", server_->url("/")}), "wget -m"));
    EXPECT_EQ(read_file((here_ / "tree/(1) copy.txt").string()), "(1) copy.txt");
    EXPECT_EQ(read_file((here_ / "tree/(sub) folder/deeper/end").string()), "end");
    server_->stop(); // and with it the log is whole
    EXPECT_TRUE(server_->access().await_finished());
    std::map<std::string, int> asked;
    for (const std::string& line : server_->access().all()) {
        const std::size_t begin = line.find("\"GET ");
        if (begin == std::string::npos) continue;
        const std::string target = line.substr(begin + 5, line.find(' ', begin + 5) - begin - 5);
        if (target != "/robots.txt") ++asked[target];
    }
    std::size_t there = 1; // the root
    for ([[maybe_unused]] const auto& entry : fs::recursive_directory_iterator(root_.path()))
        ++there;
    EXPECT_EQ(asked.size(), there) << server_->access().text();
    for (const auto& [target, times] : asked) EXPECT_EQ(times, 1) << target;
}

// One entry that is broken is no reason to show none of the others.
TEST_F(Listings, NameWhatTheDiskSaysNothingOf) {
    if (const auto obstacle = HangingMount::obstacle()) GTEST_SKIP() << *obstacle;
    fs::create_directories(root_ / "ill");
    HangingMount mount(
        root_ / "ill", {{"io", 1}, {"late", 3}, {"ok", 2}, {"stale", 1}, {"gone", 1}},
        {.failures = {{"io", EIO}, {"stale", ESTALE}, {"late", ETIMEDOUT}, {"gone", ENOENT}}});
    fs::create_symlink("ill/io", root_ / "to-io");
    start();
    const Response json = fetch(server_->port(), "/ill/?format=json");
    EXPECT_EQ(json.status, 200) << json.body;
    EXPECT_NE(json.body.find("{\"name\":\"ok\",\"type\":\"file\",\"size\":2,"), std::string::npos);
    EXPECT_EQ(json.body.find("gone"), std::string::npos);
    const Response page = fetch(server_->port(), "/ill/");
    for (const std::string name : {"io", "late", "stale"}) {
        EXPECT_NE(json.body.find("{\"name\":\"" + name + "\",\"type\":\"file\",\"href\":\"" + name +
                                 "\"}"),
                  std::string::npos)
            << json.body;
        EXPECT_NE(page.body.find("<a href=\"" + name + "\">" + name +
                                 "</a></td> <td></td> <td></td></tr>"),
                  std::string::npos)
            << page.body;
    }
    EXPECT_NE(fetch(server_->port(), "/").body.find("<a href=\"to-io\">"), std::string::npos);
    mount.end();
}

// HEAD of a folder costs no listing, so its length is not known; the next request on the connection
// is answered all the same.
TEST_F(Listings, AreNotMadeForHead) {
    start();
    RawClient client(server_->port());
    const Response answer = client.ask(head("/tree/"), true);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.count("Content-Length"), 0U);
    EXPECT_EQ(answer.count("Transfer-Encoding"), 0U);
    EXPECT_EQ(answer.field("Content-Type"), "text/html; charset=utf-8");
    EXPECT_EQ(client.ask(get("/tree/plain.txt")).body, "plain.txt");
}

// What Kodi asks of a row: the name that is shown is the link's, and behind it, in the same row,
// are "2023-11-14 22:13" and a size that ends its cell.
TEST_F(Listings, HaveRowsThatKodiReads) {
    NEEDS("python3");
    start();
    const RunResult read =
        run({"python3", "-c", R"py(
import html, re, sys, urllib.parse
page = sys.stdin.buffer.read().decode('utf-8')
for link, name, rest in re.findall(r'<a href="([^"]*)"[^>]*>\s*(.*?)\s*</a>(.+?)(?=<a|</tr|$)', page):
    name, link = html.unescape(name).rstrip('/'), urllib.parse.unquote(html.unescape(link).rstrip('/'))
    if name != link: continue
    date = re.search(r'(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d)', rest)
    size = re.search(r'> *([0-9.]+) *(B|K|M|G| )(iB)?</td>', rest)
    print(name, date.group(0) if date else '?', size.group(1) if size else '-', sep='\t')
)py"},
            {.environment = {}, .directory = "", .input = fetch(server_->port(), "/tree/").body});
    ASSERT_TRUE(ran_well(read, "python3"));
    for (const std::string name : kNames) {
        EXPECT_NE(
            ("\n" + read.out)
                .find("\n" + name + "\t2023-11-14 22:13\t" + std::to_string(name.size()) + "\n"),
            std::string::npos)
            << name << "\n"
            << read.out;
    }
    EXPECT_NE(read.out.find("(sub) folder\t"), std::string::npos) << read.out;
}

} // namespace
} // namespace fsrv::test
