// HTTP/2 as a whole: real clients, and frames where it matters how an answer ends.

#include "tests/integration/admin_support.h"
#include "tests/support/certificates.h"
#include "tests/support/files.h"
#include "tests/support/http2_client.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <csignal>
#include <gtest/gtest.h>

namespace fsrv::test {
namespace {

constexpr std::uint64_t kBig = 64 << 20;

#define NEEDS(program)                                                                             \
    if (!have_program(program)) GTEST_SKIP() << program << " is not installed"

class Http2Server : public testing::TestWithParam<const char*> {
  protected:
    Http2Server() {
        const Certificate certificate = make_certificate();
        write_file(conf_ / "pair.pem", certificate.pem + certificate.key_pem);
        std::filesystem::permissions(conf_ / "pair.pem", std::filesystem::perms::owner_read);
        for (const std::uint64_t size : kSizes) {
            write_pattern(root_ / std::to_string(size), size);
            set_mtime(root_ / std::to_string(size));
        }
    }
    void start(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--workers", "1", "--control", control()});
        server_.emplace(root_.path(), more);
    }
    void start_tls(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--tls-cert", (conf_ / "pair.pem").string()});
        start(more);
    }
    std::string control() const { return (conf_ / "control").string(); }
    RunResult curl(std::vector<std::string> args) const {
        args.insert(args.begin(), {"curl", "-sS", "-k", "--noproxy", "*"});
        return run(args, {.environment = {}, .directory = here_.str(), .input = {}});
    }
    std::string url(const std::string& scheme, const std::string& target) const {
        return scheme + "://127.0.0.1:" + std::to_string(server_->port()) + target;
    }
    static std::string big() { return "/" + std::to_string(kBig); }
    static void expect_big(const Http2Answer& answer) {
        EXPECT_EQ(answer.status, 200);
        EXPECT_TRUE(answer.whole);
        EXPECT_TRUE(is_pattern(answer.body, 0, kBig));
    }

    static constexpr std::uint64_t kSizes[] = {0, 1, 16'375, 16'376, 65'536, 8 << 20, kBig};
    TempDir root_, conf_, here_;
    std::optional<Server> server_;
};

class Http2Io : public Http2Server {};

TEST_P(Http2Io, FilesOfAllSizesArriveByteForByte) {
    NEEDS("curl");
    for (const bool tls : {false, true}) {
        if (tls)
            start_tls({"--io", GetParam()});
        else
            start({"--io", GetParam()});
        for (const std::uint64_t size : kSizes) {
            SCOPED_TRACE(size);
            const RunResult result =
                curl({tls ? "--http2" : "--http2-prior-knowledge", "-f", "-o", "copy", "-w",
                      "%{http_version} %{http_code}",
                      url(tls ? "https" : "http", "/" + std::to_string(size))});
            EXPECT_TRUE(ran_well(result, "curl"));
            EXPECT_EQ(result.out, "2 200");
            EXPECT_EQ(sha256_of((here_ / "copy").string()),
                      sha256_of((root_ / std::to_string(size)).string()));
            std::filesystem::remove(here_ / "copy");
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Io, Http2Io, testing::Values("threads", "inline", "auto"),
                         [](const auto& mode) { return std::string(mode.param); });

TEST_F(Http2Server, NghttpAndH2loadGetWhatTheyAskFor) {
    NEEDS("nghttp");
    start();
    const RunResult nghttp = run({"nghttp", "-n", "-s", url("http", "/65536"), url("http", big())});
    EXPECT_TRUE(ran_well(nghttp, "nghttp"));
    NEEDS("h2load");
    const RunResult load =
        run({"h2load", "-n", "2000", "-c", "10", "-m", "50", url("http", "/65536")});
    EXPECT_TRUE(ran_well(load, "h2load"));
    EXPECT_NE(load.out.find("2000 succeeded, 0 failed, 0 errored"), std::string::npos) << load.out;
}

TEST_F(Http2Server, TheLogTellsTheVersion) {
    start();
    Http2Client client(server_->port());
    EXPECT_EQ(client.ask("/1").status, 200);
    EXPECT_TRUE(server_->access().await_line("\"GET /1 HTTP/2.0\" 200 1 "));
    EXPECT_EQ(client.ask("/none").status, 404);
    EXPECT_TRUE(server_->access().await_line("\"GET /none HTTP/2.0\" 404 "));
}

TEST_F(Http2Server, AUnixSocketSpeaksItByPriorKnowledge) {
    start({"--unix", (conf_ / "socket").string()});
    Http2Client client(0, {.unix_path = (conf_ / "socket").string()});
    expect_big(client.ask(big()));
}

TEST_F(Http2Server, AnUpgradeIsIgnored) {
    start();
    const Response response = fetch(server_->port(), "/1",
                                    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: "
                                    "h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.count("Upgrade"), 0U);
    EXPECT_EQ(response.body, pattern(0, 1));
}

TEST_F(Http2Server, OffIsOff) {
    NEEDS("curl");
    start({"--http2", "off"});
    RawClient client(server_->port());
    EXPECT_EQ(client.ask(h2::kPreface).status, 505);
    start_tls({"--http2", "off"});
    const Http2Client over_tls(server_->port(), {.tls = true});
    EXPECT_EQ(over_tls.protocol(), "http/1.1");
    EXPECT_EQ(curl({"--http2", "-o", "copy", "-w", "%{http_version}", url("https", "/1")}).out,
              "1.1");
}

TEST_F(Http2Server, HeadsThatAreTooLargeAre431AndTheConnectionGoesOn) {
    start();
    Http2Client client(server_->port());
    EXPECT_EQ(
        client.ask("/1", {{"x", std::string(12'000, 'x')}, {"y", std::string(4'500, 'y')}}).status,
        431);
    EXPECT_EQ(client.ask("/" + std::string(9'000, 'x')).status, 414);
    h2::Fields many;
    for (unsigned i = 0; i < 120; ++i) many.emplace_back("x" + std::to_string(i), "");
    EXPECT_EQ(client.ask("/1", many).status, 431);
    EXPECT_EQ(client.ask("/1").status, 200);
}

// Half is sent, and waits for its window; then the file changes in place.
TEST_F(Http2Server, AFileThatChangesUnderWayIsResetAndNeverWhole) {
    start();
    server_->expect_trouble("changed");
    Http2Client client(server_->port(), {.window = 1 << 20});
    const std::uint32_t stream = client.get(big());
    while (client.received(stream) < 1 << 20) ASSERT_TRUE(client.read());
    write_at(root_.path() / big().substr(1), kBig - 1, "x");
    client.send(h2::window_update(stream, kBig));
    EXPECT_TRUE(client.await(stream));
    EXPECT_EQ(client.of(stream).reset, h2::kInternalError);
    EXPECT_FALSE(client.of(stream).whole);
    EXPECT_EQ(client.ask("/1").status, 200) << "the others go on";
}

TEST_F(Http2Server, AnEmptyAuthorityIsMalformed) {
    start();
    Http2Client client(server_->port());
    const std::uint32_t stream = client.next_stream();
    client.send(h2::frame(
        h2::kHeaders, h2::kEndHeaders | h2::kEndStream, stream,
        h2::block({{":method", "GET"}, {":scheme", "http"}, {":path", "/1"}, {":authority", ""}})));
    EXPECT_TRUE(client.await(stream));
    EXPECT_TRUE(client.of(stream).reset == h2::kProtocolError || client.of(stream).status == 400)
        << client.of(stream).status;
    EXPECT_EQ(client.ask("/1").status, 200);
}

TEST_F(Http2Server, AReloadAndAStopBreakNoDownload) {
    for (const bool stops : {false, true}) {
        SCOPED_TRACE(stops);
        start();
        Http2Client client(server_->port(), {.window = 1 << 20});
        std::vector<std::uint32_t> streams;
        for (unsigned i = 0; i < 4; ++i) {
            streams.push_back(client.get(big()));
            while (client.received(streams.back()) < 1 << 20) ASSERT_TRUE(client.read());
        }
        server_->signal(stops ? SIGTERM : SIGHUP);
        while (client.goaways().empty()) ASSERT_TRUE(client.read());
        EXPECT_EQ(client.goaways()[0].error, h2::kNoError);
        for (const std::uint32_t stream : streams) client.send(h2::window_update(stream, kBig));
        for (const std::uint32_t stream : streams) {
            EXPECT_TRUE(client.await(stream));
            expect_big(client.of(stream));
        }
        EXPECT_EQ(client.await_end(), Got::fin);
        EXPECT_EQ(client.goaways().back().last_stream, streams.back());
        client.raw().close();
        if (stops)
            EXPECT_TRUE(server_->await_exit());
        else
            server_->stop();
    }
}

TEST_F(Http2Server, AHundredIncrementalStreamsShareTheirConnection) {
    constexpr unsigned kStreams = 100;
    constexpr std::uint64_t kSize = 8 << 20;
    start();
    Http2Client client(server_->port(), {.keeps_bodies = false});
    std::vector<std::uint32_t> streams;
    for (unsigned i = 0; i < kStreams; ++i)
        streams.push_back(client.get("/" + std::to_string(kSize), {{"priority", "u=3, i"}}));
    std::uint64_t received = 0;
    while (received < kStreams * kSize / 3) {
        ASSERT_TRUE(client.read());
        received = 0;
        for (const std::uint32_t stream : streams) received += client.received(stream);
    }
    const std::uint64_t share = received / kStreams;
    for (const std::uint32_t stream : streams) {
        EXPECT_GE(client.received(stream), share - share / 10);
        EXPECT_LE(client.received(stream), share + share / 10);
    }
    for (const std::uint32_t stream : streams) EXPECT_TRUE(client.await(stream));
    for (const std::uint32_t stream : streams) EXPECT_EQ(client.received(stream), kSize);
}

} // namespace
} // namespace fsrv::test
