// What --ctl top draws, made of values.

#include "common/figures/sampler.h"
#include "supervisor/ctl/terminal_text.h"
#include "supervisor/ctl/top_boards.h"
#include "supervisor/ctl/top_text.h"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace fsrv {
namespace {

DownloadStatus some_download(std::string name = "/a.tar") {
    return {.name = std::move(name),
            .target = "/a.tar",
            .client = "192.0.2.1 port 4711",
            .worker = 100,
            .id = 3,
            .started_ms = 5,
            .sent = 250,
            .total = 1'000,
            .seconds = 10,
            .rate = 2'560,
            .remaining = 190};
}

Status some_status(std::size_t workers, std::size_t downloads) {
    Status status{.server = {.pid = 7, .generation = 3, .workers = workers},
                  .uptime_s = 7'805,
                  .ready_workers = static_cast<unsigned>(workers),
                  .rates = {.requests = 4.25, .bytes = 5 << 20},
                  .history = {{.bytes = 0}, {.bytes = 5 << 20}}};
    for (std::size_t i = 0; i < workers; ++i)
        status.workers.push_back({.row = {.state = ProcessState::ready,
                                          .slot = static_cast<unsigned>(i),
                                          .pid = static_cast<pid_t>(100 + i)}});
    for (std::size_t i = 0; i < downloads; ++i)
        status.downloads.push_back(some_download(fmt::format("/file-{}", i)));
    return status;
}

std::string text_of(const Status& status, TopView view = {.columns = 0, .rows = 0, .utf8 = true}) {
    return top_text(top_lines(status, view));
}

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
    return n;
}

// --- foreign text

TEST(TerminalText, NothingInItActsOnATerminal) {
    const struct {
        std::string_view foreign, in_utf8, in_ascii;
    } rows[] = {
        {"/a b.tar", "/a b.tar", "/a b.tar"},
        {"\x1b]0;x\x07", "\\x1b]0;x\\x07", "\\x1b]0;x\\x07"},
        {"a\r\n\tb\x7f", "a\\x0d\\x0a\\x09b\\x7f", "a\\x0d\\x0a\\x09b\\x7f"},
        {"\xC2\x9B"
         "31m",
         "\\xc2\\x9b31m", "\\xc2\\x9b31m"}, // CSI in one character
        {"\xFF\xC3", "\\xff\\xc3", "\\xff\\xc3"},
        {"\xC4\x9B", "\xC4\x9B", "\\xc4\\x9b"}, // its second byte is CSI, where it is no UTF-8
        {"a\u202Eb", "a\\xe2\\x80\\xaeb", "a\\xe2\\x80\\xaeb"},
        {"\u2028\u2066\uFEFF", "\\xe2\\x80\\xa8\\xe2\\x81\\xa6\\xef\\xbb\\xbf",
         "\\xe2\\x80\\xa8\\xe2\\x81\\xa6\\xef\\xbb\\xbf"},
        {"日本", "日本", "\\xe6\\x97\\xa5\\xe6\\x9c\\xac"},
        {"", "", ""},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(terminal_safe(row.foreign, true), row.in_utf8);
        EXPECT_EQ(terminal_safe(row.foreign, false), row.in_ascii);
    }
    for (int c = 0; c < 256; ++c)
        for (const bool utf8 : {true, false})
            for (const char out : terminal_safe(std::string(1, static_cast<char>(c)), utf8))
                EXPECT_TRUE(out >= 0x20 && out < 0x7f) << c;
}

TEST(TerminalText, WidthsAreThoseOfTerminals) {
    const struct {
        std::string_view text;
        std::size_t columns;
    } rows[] = {{"", 0},     {"abc", 3},      {"é", 1},    {"e\u0301", 1}, {"日本", 4},
                {"한글", 4}, {"ｆｕｌｌ", 8}, {"🙂", 2}, {"━─…", 3},     {"\u0928\u0902", 1}};
    for (const auto& row : rows) EXPECT_EQ(columns_of(row.text), row.columns) << row.text;
}

TEST(TerminalText, IsCutBetweenCharacters) {
    const struct {
        std::string_view text;
        std::size_t columns;
        std::string_view beginning, end;
    } rows[] = {
        {"abcdef", 3, "abc", "def"},
        {"abc", 9, "abc", "abc"},
        {"abc", 0, "", ""},
        {"日本語", 3, "日", "語"},
        {"日本語", 4, "日本", "本語"},
        {"日", 1, "", ""},
        {"ae\u0301b", 2, "ae\u0301", "e\u0301b"},
        {"ae\u0301b", 1, "a", "b"},
        {"", 5, "", ""},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(beginning_within(row.text, row.columns), row.beginning) << row.text;
        EXPECT_EQ(end_within(row.text, row.columns), row.end) << row.text;
    }
}

// --- the picture

TEST(TopText, ShowsTheServerItsWorkersAndItsDownloads) {
    Status status = some_status(2, 1);
    status.workers[1].row.state = ProcessState::draining;
    MetricWords words;
    words.set(Metric::active_downloads, 2);
    words.set(Metric::paused_downloads, 1);
    words.add_to(status.totals);
    const std::string text = text_of(status);
    for (const char* part :
         {"fsrv " FSRV_VERSION, "ready", "up 2h10m", "generation 3", "pid 7", "5.0 MiB/s", "4.2/s",
          "2 of 2 ready", "3, 1 paused", "draining", "25.0 %", "250 B of 1000 B", "2.5 KiB/s",
          "3m10s", "192.0.2.1 port 4711", "/file-0\n"})
        EXPECT_NE(text.find(part), text.npos) << part << "\n" << text;
    EXPECT_EQ(text.find('\x1b'), text.npos);
}

TEST(TopText, APausedDownloadHasNoRateAndNobodyKnowsItsEnd) {
    Status status = some_status(1, 1);
    status.downloads[0].paused = true;
    status.downloads[0].remaining.reset();
    const std::string text = text_of(status);
    EXPECT_NE(text.find("paused       -  192.0.2.1"), text.npos) << text;
    EXPECT_EQ(text.find("2.5 KiB/s"), text.npos);
}

TEST(TopText, ADownloadThatRunsHasNeverAHundredPercent) {
    Status status = some_status(1, 1);
    for (const auto& [sent, total, part] : {std::tuple{0U, 0U, "\n  0.0 %"},
                                            {10U, 10U, "\n 99.9 %"},
                                            {20U, 10U, "\n 99.9 %"},
                                            {0U, 10U, "\n  0.0 %"}}) {
        status.downloads[0].sent = sent;
        status.downloads[0].total = total;
        EXPECT_NE(text_of(status).find(part), std::string::npos) << sent << "/" << total;
    }
}

TEST(TopText, APipeGetsEverythingWhole) {
    const std::string name = "/" + std::string(600, 'x');
    Status status = some_status(200, 500);
    status.downloads[17].name = name;
    const std::string text = text_of(status);
    EXPECT_NE(text.find("  " + name + "\n"), text.npos);
    EXPECT_NE(text.find("/file-499\n"), text.npos);
    EXPECT_EQ(text.find("more"), text.npos);
    status.downloads_not_shown = 1'234;
    EXPECT_NE(text_of(status).find(" and 1,234 more\n"), text.npos);
}

TEST(TopText, SaysWhatIsWrong) {
    Status status = some_status(1, 0);
    EXPECT_NE(text_of(status).find("Nobody downloads anything"), std::string::npos);
    status.ready_workers = 0;
    EXPECT_NE(text_of(status).find("no worker is ready"), std::string::npos);
    status.server.draining = true;
    EXPECT_NE(text_of(status).find("  draining  "), std::string::npos);
    const auto lines = top_lines(status, {.columns = 20, .rows = 5, .note = "No answer."});
    ASSERT_EQ(lines.size(), 5U);
    EXPECT_EQ(lines.back().bytes, "No answer.");
}

TEST(TopText, WorkersThatAreNotWellComeFirstWhenThereIsNoRoom) {
    Status status = some_status(100, 3);
    status.workers[90].row = {.state = ProcessState::failed, .slot = 90};
    const std::string text = text_of(status, {.columns = 80, .rows = 24});
    EXPECT_NE(text.find("failed"), text.npos) << text;
    EXPECT_NE(text.find(" more"), text.npos);
    for (int i = 0; i < 3; ++i)
        EXPECT_NE(text.find(fmt::format("/file-{}", i)), text.npos) << "downloads have their place";
}

TEST(TopText, EveryPlaceIsUsedBeforeAnythingIsLeftOut) {
    const TopView view{.columns = 80, .rows = 24, .utf8 = true};
    EXPECT_EQ(text_of(some_status(4, 10), view).find(" more"), std::string::npos);
    EXPECT_EQ(text_of(some_status(12, 1), view).find(" more"), std::string::npos);
    const auto full = top_lines(some_status(4, 500), view);
    EXPECT_EQ(full.size(), 24U);
    EXPECT_EQ(full.back().bytes.substr(0, 5), " and ");
    const std::string text = top_text(full);
    const std::size_t shown = count(text, "/file-");
    EXPECT_NE(text.find(fmt::format(" and {} more", 500 - shown)), text.npos) << text;
}

// Whatever the size, the names and the numbers are: lines that fit, and of their own only what
// colours them.
TEST(TopText, FitsEverySize) {
    std::vector<Status> statuses{Status{}, some_status(0, 0), some_status(1, 1),
                                 some_status(300, 300)};
    Status& odd = statuses.emplace_back(some_status(3, 6));
    odd.downloads[0].name = "/" + std::string(300, 'x');
    odd.downloads[1].name = "\x1b[2J\x1b]0;title\x07\xC2\x9B\xFF\n\r";
    odd.downloads[2].name.clear();
    for (int i = 0; i < 100; ++i) odd.downloads[2].name += "日本語e\u0301🙂";
    odd.downloads[3].client = std::string(63, '\x1b');
    odd.downloads[4].client = "2001:db8:1234:5678:9abc:def0:1234:5678 port 65535";
    odd.downloads[5].sent = odd.downloads[5].total = ~std::uint64_t{0};
    odd.downloads[5].rate = odd.load = 1e300;
    odd.downloads[5].remaining = odd.uptime_s = 1e300;
    odd.rates = {.requests = 1e15, .bytes = 1e300};
    odd.downloads_not_shown = 5;
    const std::size_t sizes[] = {1, 2, 5, 6, 10, 24, 40, 79, 80, 120, 200};
    for (const Status& status : statuses)
        for (const std::size_t columns : sizes)
            for (const std::size_t rows : sizes)
                for (const bool utf8 : {true, false})
                    for (const bool colours : {true, false}) {
                        const TopView view{.columns = columns,
                                           .rows = rows,
                                           .colours = colours,
                                           .utf8 = utf8,
                                           .keys = true,
                                           .note = utf8 ? "" : "note"};
                        const auto lines = top_lines(status, view);
                        ASSERT_LE(lines.size(), rows);
                        for (const TopLine& line : lines) {
                            std::string shown = line.bytes;
                            for (std::size_t at = shown.find("\x1b["); at != shown.npos;
                                 at = shown.find("\x1b[")) {
                                const std::size_t end =
                                    shown.find_first_not_of("0123456789", at + 2);
                                ASSERT_EQ(shown.at(end), 'm');
                                ASSERT_TRUE(colours);
                                shown.erase(at, end + 1 - at);
                            }
                            ASSERT_EQ(columns_of(shown), line.columns) << shown;
                            ASSERT_LE(line.columns, columns) << shown;
                            ASSERT_EQ(terminal_safe(shown, utf8), shown);
                        }
                    }
}

TEST(TopText, AFrameTakesThePlaceOfTheOneBefore) {
    const std::vector<TopLine> lines{{"abcd", 4}, {"x", 1}};
    EXPECT_EQ(top_frame(lines, {.columns = 4, .rows = 3}), "\x1b[Habcd\r\nx\x1b[K\r\n\x1b[J")
        << "a full line is not cleared: the cursor still stands on its last character";
    EXPECT_EQ(top_frame(lines, {.columns = 4, .rows = 2}), "\x1b[Habcd\r\nx\x1b[K")
        << "nothing scrolls";
}

TEST(TopText, DurationsAreShort) {
    const struct {
        double seconds;
        std::string_view text;
    } rows[] = {{-1, "0s"},         {0.9, "0s"},       {59.9, "59s"},
                {60, "1m00s"},      {3'599, "59m59s"}, {3'600, "1h00m"},
                {86'399, "23h59m"}, {90'000, "1d01h"}, {1e300, "99999d00h"}};
    for (const auto& row : rows) EXPECT_EQ(short_duration(row.seconds), row.text) << row.seconds;
}

// --- over an upgrade

ScoreView view_of(const Scoreboard& board) {
    auto view = ScoreView::open(UniqueFd(::dup(board.fd())));
    EXPECT_TRUE(view) << view.error();
    return std::move(*view);
}

struct Server {
    explicit Server(pid_t pid) : row{.pid = pid, .started_ms = 1, .workers = 1} {
        worker.score = board.take().value();
        worker.pid = pid + 1;
        board.slot(worker.score).count(Metric::cold_reads, 10);
        tick(0);
        publish({worker});
    }
    void tick(std::uint64_t now_ms) { board.slot(worker.score).tick_ms = now_ms; }
    void publish(const std::vector<ProcessRow>& rows) { board.publish(row, rows); }
    Scoreboard board{1};
    ServerRow row;
    ProcessRow worker{.state = ProcessState::ready};
};

std::vector<pid_t> pids(const std::optional<ScoreReading>& reading) {
    std::vector<pid_t> all;
    if (reading)
        for (const auto& process : reading->processes) all.push_back(process.row.pid);
    return all;
}

TEST(TopBoards, AnEarlierServerIsShownUntilItsWorkersHaveGone) {
    Server first(10), second(20), third(30);
    TopBoards boards(view_of(first.board));
    EXPECT_EQ(pids(boards.read(1'000)), std::vector<pid_t>{11});
    boards.show(view_of(first.board));
    EXPECT_EQ(pids(boards.read(1'000)), std::vector<pid_t>{11}) << "the same one, once";
    boards.show(view_of(second.board));
    boards.show(view_of(third.board));
    const auto reading = boards.read(1'000);
    EXPECT_EQ(pids(reading), (std::vector<pid_t>{31, 11, 21}));
    EXPECT_EQ(reading->server.pid, 30);
    EXPECT_EQ(reading->totals.value(Metric::cold_reads), 30U);
    first.publish({});
    EXPECT_EQ(pids(boards.read(1'000)), (std::vector<pid_t>{31, 21}));
    first.publish({first.worker});
    EXPECT_EQ(pids(boards.read(1'000)), (std::vector<pid_t>{31, 21})) << "once gone, for good";
}

TEST(TopBoards, AnEarlierServerThatWasKilledIsForgottenWithItsWorkersTicks) {
    Server first(10), second(20);
    TopBoards boards(view_of(first.board));
    boards.show(view_of(second.board));
    first.tick(100'000);
    EXPECT_EQ(pids(boards.read(101'000)), (std::vector<pid_t>{21, 11}));
    EXPECT_EQ(pids(boards.read(200'000)), std::vector<pid_t>{21});
}

TEST(TopBoards, TheAdminProcessOfAnEarlierServerIsNoReasonToShowIt) {
    Server first(10), second(20);
    TopBoards boards(view_of(first.board));
    boards.show(view_of(second.board));
    first.worker.admin = true;
    first.publish({first.worker});
    EXPECT_EQ(pids(boards.read(1'000)), std::vector<pid_t>{21});
}

} // namespace
} // namespace fsrv
