// Clients that read slowly, pause, or are too many: product section 5.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

namespace fsrv::test {
namespace {

constexpr std::uint64_t kSize =
    6 << 20; // more than the kernel holds for a client with a small buffer
constexpr int kSmallBuffer = 65536;

class SlowClient : public testing::Test {
  protected:
    SlowClient() {
        write_pattern(root_ / "big.bin", kSize);
        write_pattern(root_ / "t.bin", 1000);
    }
    static std::vector<std::string> args(std::vector<std::string> more) {
        more.insert(more.end(), {"--workers", "1", "--log-level", "debug"});
        return more;
    }
    // A download that has begun and goes no further.
    static std::unique_ptr<RawClient> stalled(std::uint16_t port, const char* target = "/big.bin") {
        auto client =
            std::make_unique<RawClient>(port, ClientSetup{.receive_buffer = kSmallBuffer});
        client->send(get(target));
        EXPECT_EQ(client->read_head().status, 200);
        return client;
    }
    static std::unique_ptr<RawClient> idle(std::uint16_t port) {
        auto client = std::make_unique<RawClient>(port);
        EXPECT_EQ(client->ask(get("/t.bin")).status, 200);
        return client;
    }
    static bool answers(RawClient& client) {
        return client.ask(get("/t.bin")).body == pattern(0, 1000);
    }
    TempDir root_;
};

TEST_F(SlowClient, GoesOnByteExactAfterEveryPause) {
    Server server(root_.path(), args({"--stall-timeout", "100ms"}));
    const auto client = stalled(server.port());
    std::uint64_t at = 0;
    for (std::size_t pauses = 1; pauses <= 4; ++pauses) {
        ASSERT_TRUE(server.log().await_count("paused after", pauses)) << server.log().text();
        const std::string bytes = client->read_bytes(pauses == 4 ? kSize - at : 1'200'000);
        EXPECT_EQ(pattern_mismatch(bytes, at), std::nullopt);
        at += bytes.size();
    }
    EXPECT_EQ(at, kSize);
    EXPECT_TRUE(answers(*client)) << "the connection stays";
}

// What was asked behind a download waits while it is paused, whether the server had read it or not.
TEST_F(SlowClient, GetsWhatItAskedBehindAPausedDownload) {
    Server server(root_.path(), args({"--stall-timeout", "100ms"}));
    for (const bool early : {true, false}) {
        RawClient client(server.port(), {.receive_buffer = kSmallBuffer});
        const std::size_t pauses = server.log().count("paused after");
        const std::string behind =
            get("/t.bin", "Range: bytes=5-\r\n") + get("/none") + get("/t.bin");
        client.send(get("/big.bin") + (early ? behind.substr(0, behind.size() - 10) : ""));
        ASSERT_TRUE(server.log().await_count("paused after", pauses + 1));
        client.send(early ? behind.substr(behind.size() - 10) : behind);
        EXPECT_TRUE(is_pattern(client.read_response().body, 0, kSize));
        EXPECT_TRUE(is_pattern(client.read_response().body, 5, 995));
        EXPECT_EQ(client.read_response().status, 404);
        EXPECT_TRUE(is_pattern(client.read_response().body, 0, 1000));
    }
}

// A thousand downloads asked in one breath by somebody who reads none of them: one is open at a
// time.
TEST_F(SlowClient, AskingAThousandTimesHoldsOneFile) {
    Server server(root_.path(), args({"--stall-timeout", "100ms"}));
    idle(server.port())->reset();
    const pid_t worker = server.workers().at(0);
    unsigned before = 0;
    ASSERT_TRUE(await([&] { return (before = open_descriptors(worker, "socket:")) > 0; }));
    RawClient client(server.port(), {.receive_buffer = kSmallBuffer});
    std::string requests;
    for (int i = 0; i < 1000; ++i) requests += get("/big.bin");
    client.send(requests, Deadline(std::chrono::seconds(1))); // the server need not take them all
    ASSERT_TRUE(server.log().await_line("paused after"));
    EXPECT_LE(open_descriptors(worker, "/big.bin"), 2U);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(is_pattern(client.read_response().body, 0, kSize));
    client.reset();
    EXPECT_TRUE(await([&] { return open_descriptors(worker, "socket:") <= before; }));
}

// What a paused client costs beyond its words in the worker lies in the kernel, and is bounded.
TEST_F(SlowClient, HasLittleQueuedForIt) {
    const std::string path = root_.str() + "/socket";
    Server server(root_.path(), args({"--stall-timeout", "100ms", "--unix", path}));
    const auto tcp = stalled(server.port());
    RawClient local(path);
    local.send(get("/big.bin"));
    ASSERT_TRUE(server.log().await_count("paused after", 2));
    for (const std::string& line : server.log().all()) {
        const std::size_t begin = line.find("paused after ");
        if (begin != std::string::npos) {
            EXPECT_LT(std::stoull(line.substr(begin + 13)), 1U << 20) << line;
        }
    }
    const Response response = local.read_response();
    EXPECT_EQ(response.body.size(), kSize);
    EXPECT_EQ(pattern_mismatch(response.body, 0), std::nullopt);
}

TEST_F(SlowClient, IsResetAfterThePauseTimeout) {
    Server server(root_.path(), args({"--stall-timeout", "100ms", "--pause-timeout", "200ms"}));
    const auto client = stalled(server.port());
    const auto line = server.access().await_line("pause-timeout");
    ASSERT_TRUE(line) << server.access().text();
    EXPECT_LT(client->read_bytes(kSize).size(), kSize);
    EXPECT_EQ(client->end(), Got::rst);
}

TEST_F(SlowClient, ThatLeavesWhilePausedIsForgotten) {
    Server server(root_.path(), args({"--stall-timeout", "100ms"}));
    idle(server.port())->reset();
    const pid_t worker = server.workers().at(0);
    unsigned before = 0;
    ASSERT_TRUE(await([&] { return (before = open_descriptors(worker, "socket:")) > 0; }));
    const auto client = stalled(server.port());
    ASSERT_TRUE(server.log().await_line("paused after"));
    client->reset();
    EXPECT_TRUE(server.access().await_line("client-aborted")) << server.access().text();
    EXPECT_TRUE(await([&] { return open_descriptors(worker, "socket:") <= before; }));
}

TEST_F(SlowClient, BelowTheMinimumRateIsReset) {
    Server server(root_.path(), args({"--stall-timeout", "500ms", "--min-rate", "8M"}));
    RawClient slow(server.port(), {.receive_buffer = 8192});
    slow.send(get("/big.bin"));
    std::uint64_t got = 0;
    const Deadline deadline;
    while (slow.end() == Got::nothing && got < kSize && !deadline.over()) {
        got += slow.read_bytes(4096).size();
        ::poll(nullptr, 0, 5); // the slow reader's own pace
    }
    EXPECT_EQ(slow.end(), Got::rst) << got << " bytes";
    EXPECT_TRUE(server.access().await_line("too-slow")) << server.access().text();
}

// Its socket takes more in steps that lie farther apart than the stall timeout.
TEST_F(SlowClient, BelowTheMinimumRateIsResetThoughItMovesInSteps) {
    Server server(root_.path(), args({"--stall-timeout", "500ms", "--min-rate", "8M"}));
    const auto slow = stalled(server.port());
    std::uint64_t got = 0;
    const Deadline deadline;
    while (slow->end() == Got::nothing && got < kSize && !deadline.over()) {
        got += slow->read_bytes(2048).size();
        ::poll(nullptr, 0, 20); // the slow reader's own pace
    }
    EXPECT_EQ(slow->end(), Got::rst) << got << " bytes";
    EXPECT_TRUE(server.access().await_line("too-slow")) << server.access().text();
}

// The end of an answer is with the kernel, the server has nothing to do any more, and the client
// takes its time: it is paused like any other, not idle.
TEST_F(SlowClient, MayPauseBeforeTheLastBytes) {
    constexpr std::uint64_t kEnd = 100'000; // more than the client's kernel takes
    write_pattern(root_ / "end.bin", kEnd);
    Server server(root_.path(), args({"--idle-timeout", "200ms"}));
    RawClient client(server.port(), {.receive_buffer = 8192});
    client.send(get("/end.bin"));
    ASSERT_TRUE(server.access().await_line("complete")) << server.access().text();
    for (int i = 0; i < 2; ++i) EXPECT_EQ(idle(server.port())->await_end(), Got::fin);
    EXPECT_TRUE(is_pattern(client.read_response().body, 0, kEnd));
    EXPECT_TRUE(answers(client)) << "the connection stays";
}

// Whatever a client says behind its last request, the answer to that is not lost to a reset.
TEST_F(SlowClient, GetsAllOfAnAnswerWhateverItSaidBehindIt) {
    struct Row {
        const char* name;
        std::string bytes;
        const char* behind; // said while the answer is on its way
        bool half_closes;
    };
    const std::string body = "GET /big.bin HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n12";
    Server server(root_.path(), args({}));
    for (const Row& row :
         {Row{"nothing", get("/big.bin"), "", true},
          Row{"an empty line", get("/big.bin"), "\r\n", true},
          Row{"half a request", get("/big.bin"), "GET / HT", true},
          Row{"half a body", body, "", true},
          Row{"an empty line, after the last request", get("/big.bin", "Connection: close\r\n"),
              "\r\n", false},
          Row{"an empty line, HTTP/1.0", "GET /big.bin HTTP/1.0\r\n\r\n", "\r\n", false}}) {
        SCOPED_TRACE(row.name);
        RawClient client(server.port(), {.receive_buffer = kSmallBuffer});
        const std::size_t answers = server.access().count("/big.bin");
        client.send(row.bytes);
        std::string got = client.read_head().status == 200 ? client.read_bytes(kSize / 2) : "";
        if (!row.half_closes) { // when the server has done its part
            got += client.read_bytes(kSize / 2 - 400'000);
            ASSERT_TRUE(server.access().await_count("/big.bin", answers + 1));
        }
        client.send(row.behind);
        if (row.half_closes) client.half_close();
        got += client.read_to_end();
        EXPECT_TRUE(is_pattern(got, 0, kSize));
        EXPECT_EQ(client.end(), Got::fin);
    }
}

TEST_F(SlowClient, AboveTheMinimumRateIsServed) {
    Server server(root_.path(), args({"--stall-timeout", "100ms", "--min-rate", "1"}));
    EXPECT_EQ(pattern_mismatch(fetch(server.port(), "/big.bin").body, 0), std::nullopt);
}

TEST_F(SlowClient, IdleOnesMakeRoomFirstAndPausedOnesNext) {
    Server server(root_.path(), args({"--stall-timeout", "100ms", "--max-connections", "4"}));
    const auto first_paused = stalled(server.port());
    ASSERT_TRUE(server.log().await_count("paused after", 1));
    const auto second_paused = stalled(server.port());
    ASSERT_TRUE(server.log().await_count("paused after", 2));
    const auto first_idle = idle(server.port());
    const auto second_idle = idle(server.port());

    const auto fifth = stalled(server.port());
    EXPECT_EQ(first_idle->await_end(), Got::fin) << "idle the longest";
    EXPECT_TRUE(answers(*second_idle));
    ASSERT_TRUE(server.log().await_count("paused after", 3));

    const auto sixth = stalled(server.port());
    EXPECT_EQ(second_idle->await_end(), Got::fin) << "the last that was idle";
    ASSERT_TRUE(server.log().await_count("paused after", 4));

    const auto seventh = idle(server.port());
    EXPECT_TRUE(server.access().await_line("shed-paused"));
    first_paused->read_to_end();
    EXPECT_EQ(first_paused->end(), Got::rst) << "paused the longest";
    EXPECT_EQ(pattern_mismatch(second_paused->read_bytes(kSize), 0), std::nullopt)
        << "the others go on";
    EXPECT_EQ(second_paused->end(), Got::nothing);
}

// Listings are held in memory until they are taken, and there is a bound of that memory.
TEST_F(SlowClient, PausedWithAListingMakesRoomForTheNext) {
    // A quotation mark is six bytes of text and three of address: the bound is near.
    constexpr int kFiles = 10'000;
    std::filesystem::create_directory(root_ / "many");
    for (int i = 0; i < kFiles; ++i)
        write_file(root_ / "many" / (std::to_string(i) + std::string(240, '"')), "");
    Server server(root_.path(), args({"--stall-timeout", "100ms"}));
    const auto file = stalled(server.port());
    ASSERT_TRUE(server.log().await_count("paused after", 1));
    std::vector<std::unique_ptr<RawClient>> clients;
    int status = 0;
    while (clients.size() < 30) {
        // Of a folder that has changed: what was kept of the last one is no use.
        write_file(root_ / "many" / ("new" + std::to_string(clients.size())), "");
        clients.push_back(std::make_unique<RawClient>(server.port(),
                                                      ClientSetup{.receive_buffer = kSmallBuffer}));
        clients.back()->send(get("/many/"));
        status = clients.back()->read_head().status;
        if (status != 200) break;
        ASSERT_TRUE(server.log().await_count("paused after", 1 + clients.size()));
    }
    EXPECT_EQ(status, 503) << "the bound";
    const Response next = fetch(server.port(), "/many/");
    EXPECT_EQ(next.status, 200);
    EXPECT_TRUE(next.complete());
    clients[0]->read_to_end();
    EXPECT_EQ(clients[0]->end(), Got::rst) << "paused the longest, with a listing";
    EXPECT_TRUE(server.access().await_line("shed-paused"));
    RawClient& latest = *clients[clients.size() - 2];
    const std::size_t most = next.body.size() * 9 / 10; // it had fewer names
    EXPECT_EQ(latest.read_bytes(most).size(), most) << "goes on";
    EXPECT_TRUE(is_pattern(file->read_bytes(kSize), 0, kSize)) << "its memory is the file's";
}

TEST_F(SlowClient, WhoCannotBeServedIsToldSo) {
    Server server(root_.path(), args({"--stall-timeout", "10m", "--max-connections", "2"}));
    auto first = stalled(server.port());
    const auto second = stalled(server.port());
    for (int i = 0; i < 10; ++i) {
        RawClient late(server.port());
        late.send(get("/t.bin"));
        const Response response = late.read_response();
        EXPECT_EQ(response.status, 503) << got_name(response.got);
        EXPECT_EQ(response.count("Retry-After"), 1U) << response.head;
        EXPECT_EQ(late.read_to_end(), "");
    }
    first->reset();
    ASSERT_TRUE(server.access().await_line("client-aborted"));
    EXPECT_TRUE(await([&] { return fetch(server.port(), "/t.bin").status == 200; }));
    EXPECT_EQ(pattern_mismatch(second->read_bytes(kSize), 0), std::nullopt);
}

// More connections than descriptors: they wait in the kernel, and are served when others have gone.
TEST_F(SlowClient, OutOfDescriptorsItRecovers) {
    Server server(root_.path(), {.args = args({"--max-connections", "1000"}),
                                 .environment = {},
                                 .wrapper = {},
                                 .before_exec = {},
                                 .trouble = {"cannot accept"},
                                 .starved = true});
    const pid_t worker = server.workers().at(0);
    const rlimit few{.rlim_cur = 64, .rlim_max = 64};
    ASSERT_EQ(::prlimit(worker, RLIMIT_NOFILE, &few, nullptr), 0);
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 120; ++i) {
        clients.push_back(std::make_unique<RawClient>(server.port()));
        ASSERT_TRUE(clients.back()->connected());
        ASSERT_TRUE(clients.back()->send("G")); // it is accepted in its turn
    }
    ASSERT_TRUE(server.log().await_line("cannot accept")) << server.log().text();
    const std::string rest = get("/t.bin").substr(1);
    const Response starved = clients[0]->ask(rest);
    EXPECT_TRUE(starved.status == 503 || starved.status == 200) << starved.head;
    EXPECT_TRUE(starved.status == 200 || starved.count("Retry-After") == 1) << starved.head;
    for (std::size_t i = 0; i < 80; ++i) clients[i]->close();
    for (std::size_t i = 80; i < clients.size(); ++i) {
        EXPECT_EQ(clients[i]->ask(rest).body, pattern(0, 1000)) << i;
        clients[i]->close();
    }
    EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
}

// Without a sanitizer: what a paused download costs in the worker beyond an idle connection. The
// allocator is told to give memory back at once, so that what is free does not hide what is held; a
// first batch warms the pools of chunks up.
TEST_F(SlowClient, ThousandsIdleAndHundredsPausedCostLittle) {
    const std::size_t idle_count = kSanitized ? 300 : 2000, paused_count = kSanitized ? 50 : 500;
    constexpr std::size_t kBatch = 50;
    if (!raise_descriptor_limit(6000)) GTEST_SKIP() << "needs 6,000 descriptors";
    Server server(
        root_.path(),
        ServerSetup{.args = args({"--stall-timeout", "200ms", "--max-connections", "5000",
                                  "--access-log", "off"}),
                    .environment = {"MALLOC_TRIM_THRESHOLD_=0", "MALLOC_MMAP_THRESHOLD_=32768",
                                    "MALLOC_ARENA_MAX=1"}});
    const pid_t worker = server.workers().at(0);
    std::vector<std::unique_ptr<RawClient>> clients;
    for (std::size_t i = 0; i < idle_count + paused_count; ++i)
        clients.push_back(idle(server.port()));
    {
        std::vector<std::unique_ptr<RawClient>> warming;
        for (std::size_t i = 0; i < kBatch; ++i) warming.push_back(stalled(server.port()));
        ASSERT_TRUE(server.log().await_count("paused after", kBatch));
    }
    EXPECT_TRUE(answers(*clients[0]));
    const std::uint64_t before = private_dirty_bytes(worker);
    for (std::size_t i = 0; i < paused_count; ++i) {
        RawClient& client = *clients[i];
        const int small = kSmallBuffer;
        ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        client.send(get("/big.bin"));
        EXPECT_EQ(client.read_head().status, 200);
        if ((i + 1) % kBatch == 0) {
            ASSERT_TRUE(server.log().await_count("paused after", kBatch + i + 1));
        }
    }
    EXPECT_TRUE(answers(*clients.back()));
    const std::uint64_t after = private_dirty_bytes(worker);
    const std::uint64_t grown = after > before ? after - before : 0;
    RecordProperty("bytes_per_paused_download", static_cast<int>(grown / paused_count));
    std::printf("a paused download: %llu bytes beyond an idle connection\n",
                static_cast<unsigned long long>(grown / paused_count));
    if (!kSanitized) {
        // 64 pages of slack: the kernel counts whole pages, in each of the heap's parts.
        EXPECT_LE(grown, paused_count * 1024 + 64 * 4096) << before << " -> " << after;
    }
    for (int i = 0; i < 20; ++i) EXPECT_EQ(fetch(server.port(), "/t.bin").status, 200);
    EXPECT_EQ(pattern_mismatch(clients[0]->read_bytes(kSize), 0), std::nullopt)
        << "one of the paused goes on";
}

} // namespace
} // namespace fsrv::test
