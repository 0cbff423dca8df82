// The access log: one line for each answer, that says what happened and that a parser can read; and
// a log that cannot be written never stops the server.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <atomic>
#include <climits>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <optional>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSize = 3 << 20;

class AccessLog : public testing::Test {
  protected:
    AccessLog() {
        write_pattern(root_ / "t.bin", 1000);
        write_pattern(root_ / "big.bin", kSize);
    }
    static std::vector<std::string> args(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--workers", "1"});
        return more;
    }
    TempDir root_;
};

// What each kind of request leaves in the log: status, bytes of the body that were sent, how it
// ended.
struct Row {
    std::string request;
    int status;
    const char* bytes;
    const char* end;
};
const Row kRows[] = {
    {get("/t.bin"), 200, "1000", "complete"},
    {head("/t.bin"), 200, "0", "complete"},
    {get("/t.bin", "Range: bytes=10-19\r\n"), 206, "10", "complete"},
    {get("/t.bin", "If-None-Match: *\r\n"), 304, "0", "complete"},
    {get("/none"), 404, nullptr, "complete"},
    {get("/t.bin", "User-Agent: \x1b[31m\"quoted\" back\\slash \xff\xc3\xa4\r\n"), 400, nullptr,
     "complete"},
    {get("/t.bin",
         "User-Agent: \"quoted\" back\\slash \xff\xc3\xa4 \t\r\nReferer: http://x/\"\r\n"),
     200, "1000", "complete"},
    {get("/t.bin?a=\"b\\c"), 200, "1000", "complete"},
    {get("/t.bin", "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n"),
     200, "1000", "complete"},
    {get("/t.bin", "User-Agent: " + std::string(8000, 'u') + "\r\n"), 200, "1000", "complete"},
    {"BAD\x01\x1b[2J /\r\n\r\n", 400, nullptr, "complete"},
    {"POST /t.bin HTTP/1.1\r\nHost: t\r\n\r\n", 405, nullptr, "complete"},
    {"GET /t.bin HTTP/1.0\r\n\r\n", 200, "1000", "complete"},
};

// The words of a line: what is in quotes or in brackets is one. Nothing when the line is not made
// of such words: a control byte, a quote inside of quotes, a backslash that begins no \xHH.
std::optional<std::vector<std::string>> words_of(const std::string& line) {
    std::vector<std::string> words;
    for (std::size_t at = 0; at < line.size();) {
        const char close = line[at] == '"' ? '"' : line[at] == '[' ? ']' : ' ';
        if (close != ' ') ++at;
        const std::size_t end = std::min(line.find(close, at), line.size());
        const std::string word = line.substr(at, end - at);
        for (std::size_t i = 0; i < word.size(); ++i) {
            const auto byte = static_cast<unsigned char>(word[i]);
            if (byte < 32 || byte == 127) return std::nullopt;
            if (word[i] == '\\' &&
                (word.substr(i, 2) != "\\x" || word.substr(i + 2, 2).find_first_not_of(
                                                   "0123456789ABCDEFabcdef") != std::string::npos))
                return std::nullopt;
        }
        words.push_back(word);
        at = end + (close == ' ' ? 1 : 2);
        if (close != ' ' && end + 1 < line.size() && line[end + 1] != ' ') return std::nullopt;
    }
    return words;
}

TEST_F(AccessLog, ExtendedLinesHaveTheirFields) {
    Server server(root_.path(), args());
    std::size_t count = 0;
    for (const Row& row : kRows) {
        SCOPED_TRACE(row.request.substr(0, 200));
        RawClient client(server.port());
        EXPECT_EQ(client.ask(row.request, row.request.starts_with("HEAD")).status, row.status);
        ASSERT_TRUE(server.access().await_count(" ", ++count)) << "no line";
        const std::string line = server.access().all().back();
        // client - - [time] "request" status bytes "referer" "agent" seconds "range" end
        const auto words = words_of(line);
        ASSERT_TRUE(words && words->size() == 12) << line;
        EXPECT_EQ((*words)[0], "127.0.0.1");
        EXPECT_EQ((*words)[5], std::to_string(row.status));
        EXPECT_TRUE(row.bytes == nullptr || (*words)[6] == row.bytes) << line;
        EXPECT_EQ((*words)[10],
                  row.request.find("Range: ") != std::string::npos ? "bytes=10-19" : "-");
        EXPECT_EQ((*words)[11], row.end);
        EXPECT_EQ(line.find("6.6.6.6"), std::string::npos);
    }
    EXPECT_EQ(server.access().all().size(), count);
}

// What the programs make of it that read such logs.
class CombinedLog : public AccessLog {
  protected:
    // A server's log of requests that such programs look for, and of all in kRows.
    std::string log_of_all() {
        Server server(root_.path(), args({"--log-format", "combined"}));
        std::size_t count = 0;
        const auto ask = [&](const std::string& request) {
            RawClient client(server.port());
            client.ask(request, request.starts_with("HEAD"));
            EXPECT_TRUE(server.access().await_count(" ", ++count));
        };
        for (const Row& row : kRows) ask(row.request);
        ask(get("/phpmyadmin/index.php"));
        ask(get("/t.bin", "User-Agent: Mozilla/5.0 Jorgee\r\n"));
        ask(get("/" + std::string(8000, 't')));
        return server.access().text();
    }
};

TEST_F(CombinedLog, LinesHaveNoMoreThanTheirFields) {
    std::size_t count = 0;
    const std::string log = log_of_all();
    for (std::size_t at = 0; at < log.size(); ++count) {
        const std::size_t end = log.find('\n', at);
        const std::string line = log.substr(at, end - at);
        const auto words = words_of(line);
        ASSERT_TRUE(words && words->size() == 9) << line;
        EXPECT_EQ((*words)[0], "127.0.0.1");
        EXPECT_EQ((*words)[6].find_first_not_of("0123456789"), std::string::npos) << line;
        at = end + 1;
    }
    EXPECT_EQ(count, std::size(kRows) + 3);
}

TEST_F(CombinedLog, GoaccessReadsIt) {
    if (!have_program("goaccess")) GTEST_SKIP() << "no goaccess";
    TempDir folder;
    write_file(folder / "log", log_of_all());
    const RunResult read =
        run({"goaccess", (folder / "log").string(), "--log-format=COMBINED", "--no-global-config",
             "--invalid-requests=" + (folder / "invalid").string(), "--no-progress", "-o",
             (folder / "report.json").string()});
    ASSERT_TRUE(ran_well(read, "goaccess")) << read.out;
    const std::string report = read_file(folder / "report.json");
    EXPECT_NE(report.find("\"failed_requests\": 0"), std::string::npos)
        << read_file(folder / "invalid");
    EXPECT_NE(report.find(fmt::format("\"valid_requests\": {}", std::size(kRows) + 3)),
              std::string::npos)
        << report.substr(0, 1000);
}

TEST_F(CombinedLog, Fail2banFindsWhatItLooksFor) {
    if (!have_program("fail2ban-regex")) GTEST_SKIP() << "no fail2ban";
    TempDir folder;
    write_file(folder / "log", log_of_all());
    const std::pair<const char*, unsigned> filters[] = {
        {"nginx-bad-request", 2}, {"nginx-botsearch", 1}, {"apache-badbots", 1}};
    for (const auto& [filter, matches] : filters) {
        const RunResult read = run({"fail2ban-regex", (folder / "log").string(), filter});
        EXPECT_NE(read.out.find(fmt::format("Lines: {} lines, 0 ignored, {} matched",
                                            std::size(kRows) + 3, matches)),
                  std::string::npos)
            << filter << "\n"
            << read.out;
    }
}

// A reader that cuts lines, as the journal does, would take what follows a cut for a record of its
// own, whose priority the client has chosen.
TEST_F(AccessLog, NoLineIsLongerThanAPipeTakesInOnePiece) {
    const std::string quotes(5'000, '"'), target(4'000, '\\');
    const std::string hostile =
        get("/t.bin?" + target + "<0>forged",
            "Referer: " + quotes + "<0>forged\r\nUser-Agent: " + quotes + "<0>forged\r\n");
    for (const char* format : {"combined", "extended", "json"}) {
        Server server(root_.path(), args({"--log-format", format}));
        RawClient client(server.port());
        EXPECT_EQ(client.ask(hostile).status, 200);
        ASSERT_TRUE(server.access().await_line("...")) << server.access().text();
        const std::string line = server.access().all().back();
        EXPECT_LT(line.size(), std::size_t{PIPE_BUF});
        EXPECT_EQ(line.find("forged"), std::string::npos) << line;
        EXPECT_NE(line.find("... HTTP/1.1\""), std::string::npos) << line;
    }
}

TEST_F(AccessLog, JsonLinesAreJson) {
    Server server(root_.path(), args({"--log-format", "json"}));
    for (const Row& row : kRows) {
        RawClient client(server.port());
        client.ask(row.request, row.request.starts_with("HEAD"));
    }
    ASSERT_TRUE(server.access().await_count("{", std::size(kRows)));
    const RunResult parsed =
        run({"python3", "-c",
             "import json,sys\n"
             "for line in sys.stdin.buffer.read().decode('utf-8').splitlines():\n"
             "    d = json.loads(line)\n"
             "    assert d['client'] == '127.0.0.1' and isinstance(d['seconds'], float) and "
             "d['seconds'] >= 0, d\n"
             "    print(d['status'], d['bytes'], d['end'])\n"
             "    if 'quoted' in d['user_agent']: sys.stderr.write(d['user_agent'])\n"},
            {.environment = {}, .directory = {}, .input = server.access().text()});
    ASSERT_TRUE(ran_well(parsed, "reading the log")) << server.access().text();
    EXPECT_EQ(std::count(parsed.out.begin(), parsed.out.end(), '\n'),
              static_cast<long>(std::size(kRows)));
    EXPECT_NE(parsed.out.find("206 10 complete"), std::string::npos) << parsed.out;
    EXPECT_NE(parsed.err.find("\"quoted\" back\\slash"), std::string::npos) << parsed.err;
}

TEST_F(AccessLog, AnAbortedDownloadIsToldWithTheBytesThatWereSent) {
    Server server(root_.path(), args());
    RawClient client(server.port(), {.receive_buffer = 65536});
    client.send(get("/big.bin"));
    client.read_head();
    client.read_bytes(300'000);
    client.reset();
    const auto line = server.access().await_line("client-aborted");
    ASSERT_TRUE(line) << server.access().text();
    const auto words = words_of(*line);
    ASSERT_TRUE(words && words->size() == 12) << *line;
    const auto sent = std::stoull((*words)[6]);
    EXPECT_TRUE(sent >= 300'000 && sent < kSize) << *line;
}

TEST_F(AccessLog, PipelinedAnswersHaveALineEach) {
    Server server(root_.path(), args());
    RawClient client(server.port());
    std::string requests;
    for (int i = 0; i < 300; ++i) requests += get("/t.bin?" + std::to_string(i));
    client.send(requests);
    for (int i = 0; i < 300; ++i) ASSERT_EQ(client.read_response().status, 200);
    ASSERT_TRUE(server.access().await_count("GET", 300));
    const auto lines = server.access().all();
    for (std::size_t i = 0; i < lines.size(); ++i)
        EXPECT_NE(lines[i].find("/t.bin?" + std::to_string(i) + " "), std::string::npos) << i;
    EXPECT_EQ(lines.size(), 300U);
}

TEST_F(AccessLog, OffMeansOff) {
    Server server(root_.path(), args({"--access-log", "off"}));
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    server.stop();
    EXPECT_TRUE(server.access().await_finished());
    EXPECT_EQ(server.access().text(), "");
}

std::size_t lines_in(const fs::path& folder) {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string text = read_file(entry.path());
        EXPECT_TRUE(text.empty() || text.ends_with('\n')) << "half a line in " << entry.path();
        count += static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    }
    return count;
}

TEST_F(AccessLog, RotationLosesNoLine) {
    TempDir logs;
    Server server(root_.path(), {"--workers", "2", "--access-log", (logs / "log").string()});
    std::atomic<bool> over = false;
    std::atomic<std::size_t> answered = 0;
    std::vector<std::thread> clients;
    for (int i = 0; i < 3; ++i)
        clients.emplace_back([&] {
            RawClient client(server.port());
            while (!over && client.ask(get("/t.bin")).status == 200) ++answered;
        });
    for (int rotation = 0; rotation < 5; ++rotation) {
        const std::size_t before = answered;
        ASSERT_TRUE(await([&] { return answered > before + 100; }));
        fs::rename(logs / "log", logs / ("log." + std::to_string(rotation)));
        server.signal(SIGUSR1);
        ASSERT_TRUE(
            await([&] { return fs::exists(logs / "log") && fs::file_size(logs / "log") > 0; }));
    }
    over = true;
    for (std::thread& client : clients) client.join();
    server.stop();
    EXPECT_EQ(lines_in(logs.path()), answered);
}

TEST_F(AccessLog, ALogThatCannotBeOpenedAnewGoesOnAsItWas) {
    TempDir logs;
    fs::create_directories(logs / "folder");
    Server server(root_.path(), args({"--access-log", (logs / "folder/log").string()}));
    server.expect_trouble("access log");
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    fs::rename(logs / "folder", logs / "gone");
    server.signal(SIGUSR1);
    ASSERT_TRUE(server.log().await_line("access log")) << server.log().text();
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    server.stop();
    EXPECT_EQ(lines_in(logs / "gone"), 2U);
}

TEST_F(AccessLog, AFullDiskStopsNothingAndIsToldOnce) {
    if (!am_root()) GTEST_SKIP() << "needs root for a small file system";
    TempDir logs;
    const std::string mount = "mount -t tmpfs -o size=64k none " + logs.str();
    if (run({"unshare", "-m", "sh", "-c", mount}).exit_status != 0) GTEST_SKIP() << "may not mount";
    Server server(root_.path(),
                  {.args = args({"--access-log", (logs / "log").string()}),
                   .environment = {},
                   .wrapper = {"unshare", "-m", "sh", "-c", mount + R"( && exec "$@")", "sh"},
                   .before_exec = {},
                   .trouble = {"access log"}});
    RawClient client(server.port());
    for (int i = 0; i < 1500; ++i) ASSERT_EQ(client.ask(get("/t.bin")).status, 200);
    ASSERT_TRUE(server.log().await_line("access log lost")) << server.log().text();
    for (int i = 0; i < 1500; ++i) ASSERT_EQ(client.ask(get("/t.bin")).status, 200);
    EXPECT_EQ(server.log().count("access log lost"), 1U) << "once a minute";
    // Room again: the log goes on by itself.
    const std::string log =
        "/proc/" + std::to_string(server.pid()) + "/root" + (logs / "log").string();
    ASSERT_EQ(::truncate(log.c_str(), 0), 0);
    EXPECT_EQ(client.ask(get("/t.bin?room-again")).status, 200);
    EXPECT_TRUE(await([&] { return read_file(log).find("room-again") != std::string::npos; }));
}

struct PipeEnds {
    UniqueFd read, write;
    PipeEnds() {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        read.reset(ends[0]);
        write.reset(ends[1]);
    }
};

TEST_F(AccessLog, APipeWhoseReaderDiedStopsNothing) {
    PipeEnds pipe;
    const int write_end = pipe.write.get();
    Server server(root_.path(), {.args = args(),
                                 .environment = {},
                                 .wrapper = {},
                                 .before_exec = [write_end] { ::dup2(write_end, 1); },
                                 .trouble = {"access log"}});
    pipe.write.reset();
    RawClient client(server.port());
    EXPECT_EQ(client.ask(get("/t.bin")).status, 200);
    pipe.read.reset();
    for (int i = 0; i < 500; ++i) ASSERT_EQ(client.ask(get("/t.bin")).status, 200);
    EXPECT_TRUE(server.log().await_line("access log lost")) << server.log().text();
}

TEST_F(AccessLog, APipeThatNobodyReadsStopsNothing) {
    PipeEnds pipe;
    const int write_end = pipe.write.get();
    Server server(root_.path(), {.args = args(),
                                 .environment = {},
                                 .wrapper = {},
                                 .before_exec = [write_end] { ::dup2(write_end, 1); },
                                 .trouble = {"access log"}});
    pipe.write.reset();
    RawClient client(server.port());
    const std::string request = get("/t.bin?" + std::string(2000, 'q'),
                                    "User-Agent: " + std::string(500, 'u') +
                                        "\r\nReferer: " + std::string(600, 'r') + "\r\n");
    for (int i = 0; i < 500; ++i) ASSERT_EQ(client.ask(request).status, 200);
    EXPECT_TRUE(server.log().await_line("access log lost")) << server.log().text();
    server.stop();
}

// The server's own log goes nowhere: it goes on, notices deaths, and ends as asked.
TEST_F(AccessLog, AnOwnLogWhoseReaderDiedStopsNothing) {
    std::uint16_t port = 0;
    {
        const UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        ASSERT_EQ(::bind(probe.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
        ::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &length);
        port = ntohs(address.sin_port);
    }
    PipeEnds pipe;
    const int write_end = pipe.write.get();
    Server server(root_.path(),
                  {.args = args({"--host", "127.0.0.1", "--port", std::to_string(port)}),
                   .environment = {},
                   .wrapper = {},
                   .before_exec = [write_end] { ::dup2(write_end, 2); },
                   .loopback = false,
                   .trouble = {},
                   .must_start = false});
    pipe.write.reset();
    pipe.read.reset();
    ASSERT_TRUE(await([&] { return fetch(port, "/t.bin").status == 200; }));
    ::kill(children_of(server.pid()).at(0), SIGKILL);
    EXPECT_EQ(fetch(port, "/t.bin").status, 200);
    server.signal(SIGTERM);
    const auto status = server.await_exit();
    EXPECT_TRUE(status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0);
}

} // namespace
} // namespace fsrv::test
