// The programs that people really download with, each against the real server, with the checksum of
// what arrived.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/server.h"

#include <csignal>
#include <gtest/gtest.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSize = 12 << 20;

#define NEEDS(program)                                                                             \
    if (!have_program(program)) GTEST_SKIP() << program << " is not installed"

class Clients : public testing::Test {
  protected:
    Clients() { write_pattern(root_ / "file.bin", kSize); }

    void start(std::vector<std::string> args = {}) {
        args.insert(args.end(), {"--workers", "2"});
        server_.emplace(root_.path(), args);
        server_->expect_trouble("worker "); // some tests kill one
    }
    RunResult here(const std::vector<std::string>& command) {
        return run(command, {.environment = kNoProxy, .directory = here_.str(), .input = {}});
    }
    // A download that is under way: its file has grown to `bytes` when all workers are killed.
    void kill_workers_when(const fs::path& file, std::uintmax_t bytes) {
        EXPECT_TRUE(await([&] {
            std::error_code ignored;
            const auto size = fs::file_size(file, ignored);
            return !ignored && size != static_cast<std::uintmax_t>(-1) && size >= bytes;
        })) << file;
        for (const pid_t worker : server_->workers()) ::kill(worker, SIGKILL);
    }
    void expect_same(const fs::path& copy, const fs::path& original) {
        EXPECT_EQ(sha256_of(copy), sha256_of(original)) << copy;
    }

    static inline const std::vector<std::string> kNoProxy = {"no_proxy=*", "NO_PROXY=*",
                                                             "http_proxy=", "HOME=/nonexistent"};
    TempDir root_, here_;
    std::optional<Server> server_;
};

TEST_F(Clients, CurlDownloadsAsTheApiIsTyped) {
    NEEDS("curl");
    start();
    EXPECT_TRUE(ran_well(here({"curl", "-sS", "-f", "-O", server_->url("/file.bin")}), "curl -O"));
    expect_same(here_ / "file.bin", root_ / "file.bin");
    EXPECT_TRUE(ran_well(here({"curl", "-sS", "-f", server_->url("/files"), "-G", "-d",
                               "path=" + (root_ / "file.bin").string(), "-o", "absolute"}),
                         "curl -G"));
    expect_same(here_ / "absolute", root_ / "file.bin");
    fs::remove(here_ / "file.bin");
    EXPECT_TRUE(ran_well(here({"curl", "-sS", "-f", "-OJ", server_->url("/files?path=file.bin")}),
                         "curl -OJ"));
    expect_same(here_ / "file.bin", root_ / "file.bin");
    for (const char* name : {"\xc3\x9c"
                             "bung.txt",
                             "\xff\xfe.txt"}) { // the second is no UTF-8
        write_file(root_ / name, "raw");
        const RunResult raw = here(
            {"curl", "-sS", "-f", server_->url("/files"), "-G", "-d", "path=" + std::string(name)});
        EXPECT_TRUE(ran_well(raw, "curl -G"));
        EXPECT_EQ(raw.out, "raw");
    }
    const RunResult missing = here({"curl", "-sS", "-f", server_->url("/none")});
    EXPECT_EQ(missing.exit_status, 22);
    // An upload that is refused: curl sees the answer and no broken connection.
    const RunResult upload = here({"curl", "-sS", "-T", (root_ / "file.bin").string(), "-w",
                                   "%{http_code}", "-o", "answer", server_->url("/new")});
    EXPECT_EQ(upload.out, "405") << upload.err;
}

TEST_F(Clients, CurlResumes) {
    NEEDS("curl");
    start();
    EXPECT_TRUE(ran_well(here({"curl", "-sS", "-f", "-r", "0-4999999", "-o", "file.bin",
                               server_->url("/files?path=file.bin")}),
                         "the first part"));
    EXPECT_EQ(fs::file_size(here_ / "file.bin"), 5'000'000U);
    EXPECT_TRUE(ran_well(here({"curl", "-sS", "-f", "-C", "-", "-o", "file.bin",
                               server_->url("/files?path=file.bin")}),
                         "curl -C -"));
    expect_same(here_ / "file.bin", root_ / "file.bin");
    EXPECT_EQ(here({"curl", "-sS", "-C", "-", "-o", "file.bin", "-w", "%{http_code}",
                    server_->url("/file.bin")})
                  .out,
              "416")
        << "nothing is missing";
    expect_same(here_ / "file.bin", root_ / "file.bin");
}

TEST_F(Clients, CurlResumesAfterItsWorkerWasKilled) {
    NEEDS("curl");
    // More than waits in both kernels, which is delivered whatever becomes of the worker.
    constexpr std::uint64_t kLong = 80 << 20;
    write_pattern(root_ / "long.bin", kLong);
    start();
    Background curl(
        {"curl", "-sS", "--limit-rate", "32M", "-o", "long.bin", server_->url("/long.bin")},
        {.environment = kNoProxy, .directory = here_.str(), .input = {}});
    kill_workers_when(here_ / "long.bin", 2 << 20);
    const int status = curl.wait();
    EXPECT_TRUE(status == 18 || status == 56)
        << status << ": it was told that the file is not whole";
    EXPECT_LT(fs::file_size(here_ / "long.bin"), kLong);
    EXPECT_TRUE(ran_well(
        here({"curl", "-sS", "-f", "-C", "-", "-o", "long.bin", server_->url("/long.bin")}),
        "curl -C -"));
    expect_same(here_ / "long.bin", root_ / "long.bin");
}

TEST_F(Clients, WgetDownloadsAndGoesOnByItselfWhenItsWorkerIsKilled) {
    NEEDS("wget");
    start();
    EXPECT_TRUE(ran_well(here({"wget", "-q", server_->url("/file.bin")}), "wget"));
    expect_same(here_ / "file.bin", root_ / "file.bin");
    Background wget({"wget", "-q", "-t", "5", "--waitretry=0", "--limit-rate=8m", "-O", "again",
                     server_->url("/file.bin")},
                    {.environment = kNoProxy, .directory = here_.str(), .input = {}});
    kill_workers_when(here_ / "again", 2 << 20);
    EXPECT_EQ(wget.wait(), 0);
    expect_same(here_ / "again", root_ / "file.bin");
}

TEST_F(Clients, WgetContinuesAPartialFile) {
    NEEDS("wget");
    start();
    write_file(here_ / "file.bin", pattern(0, 3'333'333));
    EXPECT_TRUE(ran_well(here({"wget", "-q", "-c", server_->url("/file.bin")}), "wget -c"));
    expect_same(here_ / "file.bin", root_ / "file.bin");
    EXPECT_GE(server_->access().count(" 206 "), 1U);
}

// They ask for the rest without a condition, so neither a weak tag nor a missing date hinders them.
TEST_F(Clients, ResumeFilesOfOddTimes) {
    NEEDS("curl");
    NEEDS("wget");
    start();
    for (const std::int64_t time : {0L, 1L, 315'532'800L, std::time(nullptr) + 86'400}) {
        SCOPED_TRACE(time);
        set_mtime(root_ / "file.bin", time, 0);
        for (const std::vector<std::string>& client :
             {std::vector<std::string>{"curl", "-sS", "-f", "-C", "-", "-O"},
              std::vector<std::string>{"wget", "-q", "-c"}}) {
            write_file(here_ / "file.bin", pattern(0, 3'333'333));
            std::vector<std::string> command = client;
            command.push_back(server_->url("/file.bin"));
            EXPECT_TRUE(ran_well(here(command), client[0]));
            expect_same(here_ / "file.bin", root_ / "file.bin");
        }
    }
    EXPECT_EQ(server_->access().count(" 206 "), 8U) << server_->access().text();
}

// A log is fetched while it is written, then again what has come since.
TEST_F(Clients, FollowALogThatGrows) {
    NEEDS("curl");
    NEEDS("wget");
    for (const std::vector<std::string>& client :
         {std::vector<std::string>{"curl", "-sS", "-f", "--limit-rate", "8M", "-C", "-", "-O"},
          std::vector<std::string>{"wget", "-q", "--limit-rate=8m", "-c"}}) {
        SCOPED_TRACE(client[0]);
        write_pattern(root_ / "log", kSize);
        fs::remove(here_ / "log");
        start({"--in-place-writes", "append"});
        std::vector<std::string> command = client;
        command.push_back(server_->url("/log"));
        Background download(command,
                            {.environment = kNoProxy, .directory = here_.str(), .input = {}});
        std::uint64_t size = kSize;
        EXPECT_TRUE(await([&] {
            append_file(root_ / "log", pattern(size, 1000));
            size += 1000;
            std::error_code ignored;
            const auto have = fs::file_size(here_ / "log", ignored);
            return !ignored && have >= kSize;
        }));
        EXPECT_EQ(download.wait(), 0);
        const std::string first = read_file(here_ / "log");
        EXPECT_TRUE(first.size() >= kSize && is_pattern(first, 0, first.size())) << first.size();
        EXPECT_TRUE(ran_well(here(command), client[0]));
        expect_same(here_ / "log", root_ / "log");
        EXPECT_EQ(server_->access().count(" complete"), 2U) << server_->access().text();
        server_->stop();
    }
}

TEST_F(Clients, WgetMirrorsTheTree) {
    NEEDS("wget");
    fs::create_directories(root_ / "tree/sub folder");
    write_file(root_ / "tree/a b#c.txt", "one");
    write_file(root_ / "tree/sub folder/d?e.txt", "two");
    start();
    EXPECT_TRUE(
        ran_well(here({"wget", "-q", "-r", "-np", "-nH", server_->url("/tree/")}), "wget -r"));
    EXPECT_EQ(read_file(here_ / "tree/a b#c.txt"), "one");
    EXPECT_EQ(read_file(here_ / "tree/sub folder/d?e.txt"), "two");
}

TEST_F(Clients, Aria2WithEightConnectionsSurvivesAKill) {
    NEEDS("aria2c");
    start();
    const std::vector<std::string> aria = {"aria2c",
                                           "-q",
                                           "--no-conf",
                                           "-x8",
                                           "-s8",
                                           "-k1M",
                                           "--max-tries=20",
                                           "--retry-wait=0",
                                           "--file-allocation=none"};
    std::vector<std::string> whole = aria, limited = aria;
    whole.insert(whole.end(), {"-o", "whole", server_->url("/file.bin")});
    EXPECT_TRUE(ran_well(here(whole), "aria2c -x8"));
    expect_same(here_ / "whole", root_ / "file.bin");
    EXPECT_GE(server_->access().count(" 206 "), 8U) << server_->access().text();
    limited.insert(limited.end(), {"--max-overall-download-limit=8M", "-o", "killed",
                                   server_->url("/files?path=file.bin")});
    Background download(limited, {.environment = kNoProxy, .directory = here_.str(), .input = {}});
    kill_workers_when(here_ / "killed", 1 << 20);
    EXPECT_EQ(download.wait(), 0);
    expect_same(here_ / "killed", root_ / "file.bin");
}

// It looks for the line break before the first delimiter of a multipart answer, and waits for it
// for ever.
TEST_F(Clients, ZsyncFetchesWhatItLacksInManyRanges) {
    NEEDS("zsync");
    NEEDS("zsyncmake");
    constexpr std::uint64_t kBlock = 4096, kStep = 64 * 1024;
    write_pattern(here_ / "old.bin", kSize);
    for (std::uint64_t at = 0; at < kSize; at += kStep)
        write_at(here_ / "old.bin", at + 100, "changed");
    start();
    ASSERT_TRUE(
        ran_well(here({"zsyncmake", "-b", std::to_string(kBlock), "-u", server_->url("/file.bin"),
                       "-o", (root_ / "file.zsync").string(), (root_ / "file.bin").string()}),
                 "zsyncmake"));
    EXPECT_TRUE(ran_well(here({"env", "-u", "http_proxy", "zsync", "-q", "-i", "old.bin", "-o",
                               "new.bin", server_->url("/file.zsync")}),
                         "zsync"));
    expect_same(here_ / "new.bin", root_ / "file.bin");
    EXPECT_GE(server_->access().count(" 206 "), 2U) << server_->access().text();
    EXPECT_EQ(server_->access().count("GET /file.bin HTTP/1.1\" 200 "), 0U);
}

TEST_F(Clients, RcloneCopiesTheTreeByItsListing) {
    NEEDS("rclone");
    const std::pair<const char*, const char*> files[] = {
        {"plain.txt", "1"},          {"with space.txt", "2"}, {"percent%41.txt", "3"},
        {"hash#.txt", "4"},          {"what?.txt", "5"},      {"\xc3\xa4\xe2\x82\xac.txt", "6"},
        {"sub/deeper/end.txt", "7"}, {"plus+and&.txt", "8"},  {"sub/colon:x.txt", "9"}};
    for (const auto& [name, contents] : files) {
        fs::create_directories((root_ / "tree" / name).parent_path());
        write_file(root_ / "tree" / name, contents);
    }
    write_pattern(root_ / "tree/big.bin", kSize);
    start();
    const RunResult copied = here({"rclone", "--config", "", "copy", ":http:", "copy", "--http-url",
                                   server_->url("/tree/"), "--multi-thread-streams", "4",
                                   "--multi-thread-cutoff", "1M"});
    EXPECT_TRUE(ran_well(copied, "rclone copy"));
    for (const auto& [name, contents] : files)
        EXPECT_EQ(read_file((here_ / "copy" / name).string()), contents) << name;
    expect_same(here_ / "copy/big.bin", root_ / "tree/big.bin");
}

TEST_F(Clients, GitClonesADumbRepository) {
    NEEDS("git");
    const std::vector<std::string> git = {
        "git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"};
    const auto in = [&](const fs::path& folder, std::vector<std::string> words) {
        words.insert(words.begin(), git.begin(), git.end());
        return ran_well(run(words, {.environment = kNoProxy, .directory = folder, .input = {}}),
                        words.back());
    };
    ASSERT_TRUE(in(here_.path(), {"init", "-q", "work"}));
    for (std::uint64_t version = 1; version <= 3; ++version) {
        write_file(here_ / "work/file", pattern(0, 10'000, version));
        ASSERT_TRUE(in(here_ / "work", {"add", "file"}));
        ASSERT_TRUE(in(here_ / "work", {"commit", "-q", "-m", "change"}));
    }
    ASSERT_TRUE(in(here_.path(), {"clone", "-q", "--bare", "work", (root_ / "repo.git").string()}));
    ASSERT_TRUE(in(root_ / "repo.git", {"update-server-info"}));
    start();
    ASSERT_TRUE(in(here_.path(), {"clone", "-q", server_->url("/repo.git"), "clone"}));
    expect_same(here_ / "clone/file", here_ / "work/file");
    ASSERT_TRUE(in(root_ / "repo.git", {"gc", "-q"}));
    ASSERT_TRUE(in(root_ / "repo.git", {"update-server-info"}));
    ASSERT_TRUE(in(here_.path(), {"clone", "-q", server_->url("/repo.git"), "packed"}));
    expect_same(here_ / "packed/file", here_ / "work/file");
}

TEST_F(Clients, PythonReadsWholeAndInParts) {
    NEEDS("python3");
    start();
    const RunResult result = here({"python3", "-c", R"(
import hashlib, http.client, sys, urllib.request
url, port = sys.argv[1], int(sys.argv[2])
print(hashlib.sha256(urllib.request.urlopen(url).read()).hexdigest())
c = http.client.HTTPConnection('127.0.0.1', port)
parts, at = hashlib.sha256(), 0
while True:
    c.request('GET', '/file.bin', headers={'Range': 'bytes=%d-%d' % (at, at + 999999)})
    r = c.getresponse()
    if r.status == 416: r.read(); break
    assert r.status == 206, r.status
    data = r.read(); parts.update(data); at += len(data)
print(parts.hexdigest())
c.request('HEAD', '/file.bin'); r = c.getresponse(); r.read(); assert r.getheader('Content-Length') == str(at)
)",
                                   server_->url("/file.bin"), std::to_string(server_->port())});
    ASSERT_TRUE(ran_well(result, "python"));
    const std::string sum = sha256_of(root_ / "file.bin");
    EXPECT_EQ(result.out, sum + "\n" + sum + "\n");
}

TEST_F(Clients, NodeFetches) {
    NEEDS("node");
    start();
    const RunResult result = here({"node", "-e", R"(
(async () => {
  const { createHash } = require('crypto');
  const url = process.argv[1];
  const sum = async r => createHash('sha256').update(Buffer.from(await r.arrayBuffer())).digest('hex');
  const whole = await fetch(url + '/file.bin');
  console.log(await sum(whole));
  const part = await fetch(url + '/file.bin', { headers: { Range: 'bytes=100-199' } });
  if (part.status !== 206 || (await part.arrayBuffer()).byteLength !== 100) throw new Error('part ' + part.status);
  const same = await fetch(url + '/file.bin', { headers: { 'If-None-Match': whole.headers.get('etag') } });
  if (same.status !== 304) throw new Error('304 expected, not ' + same.status);
  const list = await (await fetch(url + '/', { headers: { Accept: 'application/json' } })).json();
  if (!JSON.stringify(list).includes('file.bin')) throw new Error('listing');
})().catch(e => { console.error(e); process.exit(1); });
)",
                                   server_->url("")});
    ASSERT_TRUE(ran_well(result, "node"));
    EXPECT_EQ(result.out, sha256_of(root_ / "file.bin") + "\n");
}

class Browser : public Clients {
  protected:
    std::vector<std::string> chromium(std::vector<std::string> more) {
        std::vector<std::string> command = {"chromium",
                                            "--headless",
                                            "--no-sandbox",
                                            "--disable-gpu",
                                            "--disable-quic",
                                            "--no-first-run",
                                            "--disable-background-networking",
                                            "--disable-component-update",
                                            "--disable-sync",
                                            "--disable-dev-shm-usage",
                                            "--no-proxy-server",
                                            "--autoplay-policy=no-user-gesture-required",
                                            "--mute-audio",
                                            "--user-data-dir=" + profile_.str()};
        command.insert(command.end(), more.begin(), more.end());
        return command;
    }
    TempDir profile_;
};

TEST_F(Browser, ShowsTheListing) {
    NEEDS("chromium");
    write_file(root_ / "<b>bold & \"quoted\".txt", "x");
    start();
    const RunResult result = here(chromium({"--dump-dom", server_->url("/")}));
    ASSERT_TRUE(ran_well(result, "chromium"));
    EXPECT_NE(result.out.find("file.bin"), std::string::npos) << result.out;
    EXPECT_NE(result.out.find("&lt;b&gt;bold &amp;"), std::string::npos) << result.out;
}

// The listing's script, which its policy lets run: "/" goes to the filter, which answers while it
// is typed, and arrows go over what it leaves.
TEST_F(Browser, MovesOverAListingByKeys) {
    NEEDS("chromium");
    fs::create_directories(root_ / "d/sub");
    for (const char* name : {"d/file2", "d/file10", "d/other"}) write_file(root_ / name, "x");
    write_file(root_ / "keys.html", R"(<!doctype html><iframe id=f src="/d/"></iframe><script>
f.onload = () => {
  const page = f.contentDocument, went = [];
  const key = name => (page.activeElement || page.body).dispatchEvent(
    new f.contentWindow.KeyboardEvent('keydown', {key: name, bubbles: true, cancelable: true}));
  const note = () => went.push(page.activeElement.getAttribute('href') || page.activeElement.name);
  key('/'); note();
  page.activeElement.value = 'FILE';
  page.activeElement.dispatchEvent(new f.contentWindow.Event('input'));
  for (const name of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowUp']) { key(name); note(); }
  went.push(page.getElementById('copy').hidden ? 'hidden' : 'shown');
  fetch('/report?' + went.join('-'));
};
</script>)");
    start();
    Background browser(chromium({"--remote-debugging-port=0", server_->url("/keys.html")}),
                       {.environment = kNoProxy, .directory = here_.str(), .input = {}});
    EXPECT_TRUE(server_->access().await_line("/report?q-../-file2-file10-file10-file2-shown", 0,
                                             Deadline(2 * kPatience)))
        << server_->access().text();
}

// Metadata at the end of the file and two seeks: a browser cannot do it without ranges.
TEST_F(Browser, PlaysAndSeeksAVideo) {
    NEEDS("chromium");
    NEEDS("ffmpeg");
    const RunResult made = run({"ffmpeg", "-v", "error", "-f", "lavfi", "-i",
                                "testsrc2=s=320x240:r=10:d=40,noise=alls=60:allf=t+u", "-c:v",
                                "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g",
                                "10", "-b:v", "6M", "-y", (root_ / "video.mp4").string()});
    ASSERT_TRUE(ran_well(made, "ffmpeg"));
    ASSERT_GT(fs::file_size(root_ / "video.mp4"), 8U << 20) << "too small to need seeking";
    write_file(root_ / "player.html",
               R"(<!doctype html><video id=v muted preload=metadata src=video.mp4></video><script>
const v = document.getElementById('v'), goals = [35, 5], tell = what => fetch('/report?' + what);
v.onerror = () => tell('error-' + v.error.code);
v.onloadedmetadata = () => { tell('duration-' + Math.round(v.duration)); v.currentTime = goals.shift(); };
v.onseeked = () => { if (goals.length) { v.currentTime = goals.shift(); } else { v.onseeked = null; v.play(); } };
v.ontimeupdate = () => { if (!v.paused && v.currentTime > 5.3) { v.ontimeupdate = null; tell('played'); } };
</script>)");
    start();
    Background browser(chromium({"--remote-debugging-port=0", server_->url("/player.html")}),
                       {.environment = kNoProxy, .directory = here_.str(), .input = {}});
    const auto reported =
        server_->access().await_line("/report?played", 0, Deadline(2 * kPatience));
    EXPECT_TRUE(reported) << server_->access().text();
    EXPECT_EQ(server_->access().count("/report?duration-40"), 1U);
    EXPECT_EQ(server_->access().count("/report?error"), 0U);
    std::size_t parts = 0;
    for (const std::string& line : server_->access().all())
        if (line.find("/video.mp4") != std::string::npos && line.find(" 206 ") != std::string::npos)
            ++parts;
    EXPECT_GE(parts, 2U) << server_->access().text();
}

} // namespace
} // namespace fsrv::test
