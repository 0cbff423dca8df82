// What no client should send, sections 2.1 to 2.3 of the catalogue, and how requests may arrive: in
// pieces, in a row, half closed, slowly. After everything the same workers serve, with no
// descriptor more than before.

#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <gtest/gtest.h>
#include <poll.h>

namespace fsrv::test {
namespace {

using namespace std::string_literals;

std::string repeat(std::string_view text, std::size_t times) {
    std::string all;
    for (std::size_t i = 0; i < times; ++i) all += text;
    return all;
}

// A sound GET whose head has exactly `bytes` bytes.
std::string head_of(std::size_t bytes) {
    std::string request = "GET /t.bin HTTP/1.1\r\nHost: t\r\nX: ";
    return request + std::string(bytes - request.size() - 4, 'x') + "\r\n\r\n";
}

#define H "Host: t\r\n"
#define E "GET /evil HTTP/1.1\r\nHost: t\r\n\r\n"s
#define CHUNKED "GET /t.bin HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"

struct Row {
    const char* id;
    std::string bytes;
    int status, other;
};

class BadInput : public testing::Test {
  protected:
    BadInput() {
        write_pattern(root_ / "t.bin", 1000);
        write_file(root_ / "evil", "evil");
    }
    void start(std::vector<std::string> args = {}) {
        args.insert(args.end(), {"--workers", "1"});
        server_.emplace(root_.path(), args);
        ASSERT_TRUE(canary());
        workers_ = server_->workers();
        ASSERT_EQ(workers_.size(), 1U);
        ASSERT_TRUE(
            await([&] { return (sockets_ = open_descriptors(workers_[0], "socket:")) > 0; }));
    }
    bool canary() {
        RawClient client(server_->port());
        return client.ask(get("/t.bin", "Connection: close\r\n")).body == pattern(0, 1000) &&
               client.await_end() == Got::fin;
    }
    void TearDown() override {
        if (!server_) return;
        EXPECT_EQ(server_->workers(), workers_);
        EXPECT_TRUE(await([&] { return open_descriptors(workers_[0], "socket:") <= sockets_; }))
            << open_descriptors(workers_[0], "socket:") << " sockets, it began with " << sockets_;
    }
    std::uint16_t port() const { return server_->port(); }

    TempDir root_;
    std::optional<Server> server_;
    std::vector<pid_t> workers_;
    unsigned sockets_ = 0;
};

TEST_F(BadInput, IsRefusedWithOneAnswerAndTheEnd) {
    const Row table[] = {
#include "tests/integration/bad_input.def"
    };
    start();
    for (const Row& row : table) {
        SCOPED_TRACE(row.id);
        RawClient client(port());
        client.send(row.bytes); // may stop short: the server need not read it all
        const Response response = client.read_response();
        ASSERT_TRUE(response.complete()) << got_name(response.got) << " " << response.problem;
        EXPECT_TRUE(response.status == row.status || response.status == row.other)
            << response.head << response.body;
        expect_sound(response);
        EXPECT_EQ(response.body.find("evil"), std::string::npos);
        // A chunked body is looked at after the answer to a sound head has begun.
        EXPECT_TRUE(response.announces_close() || response.status == 200) << response.head;
        EXPECT_EQ(client.read_to_end(), "") << "a second answer";
        EXPECT_TRUE(canary());
    }
}

TEST_F(BadInput, ARefusedHeadGetsNoBody) {
    start({"--header-timeout", "1s"});
    const std::pair<const char*, std::string> table[] = {
        {"400", "HEAD * HTTP/1.1\r\n" H "\r\n"},
        {"400", "HEAD /t.bin HTTP/1.1\r\n\r\n"},
        {"400", "HEAD /t.bin HTTP/1.1\r\n" H H "\r\n"},
        {"400", "\r\nHEAD /t.bin HTTP/1.1\r\n" H "Content-Length: 1\r\n"
                "Transfer-Encoding: chunked\r\n\r\n"},
        {"400", "HEAD /t.bin HTTP/1.1\r\n" H " folded: x\r\n\r\n"},
        {"400", "HEAD /%zz HTTP/1.1\r\n" H "\r\n"},
        {"400", "HEAD /t.bin\r\n"},
        {"408", "HEAD /t.bin HTTP/1.1\r\n" H},
        {"408", "HEAD "},
        {"414", "HEAD /" + std::string(10'000, 'a') + " HTTP/1.1\r\n" H "\r\n"},
        {"431", "HEAD /t.bin HTTP/1.1\r\n" H "X: " + std::string(20'000, 'a') + "\r\n\r\n"},
        {"431", "HEAD /t.bin HTTP/1.1\r\n" H + repeat("X: y\r\n", 200) + "\r\n"},
        {"501", "HEAD /t.bin HTTP/1.1\r\n" H "Transfer-Encoding: x\r\n\r\n"},
        {"505", "HEAD /t.bin HTTP/2.0\r\n" H "\r\n"},
    };
    for (const auto& [status, bytes] : table) {
        SCOPED_TRACE(bytes.substr(0, 60));
        RawClient client(port());
        client.send(bytes);
        const Response response = client.read_response(true);
        ASSERT_TRUE(response.complete()) << got_name(response.got) << " " << response.problem;
        EXPECT_EQ(std::to_string(response.status), status) << response.head;
        EXPECT_GT(response.content_length().value_or(0), 0U) << "as much as GET would get";
        if (!response.announces_close()) client.half_close();
        EXPECT_EQ(client.read_to_end(), "");
    }
}

TEST_F(BadInput, ARefusalTakesTheFormThatItsHeadAsksFor) {
    start();
    RawClient client(port());
    const Response response =
        client.ask("GET /t.bin HTTP/1.1\r\nAccept: application/problem+json\r\n\r\n");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.field("Content-Type"), "application/problem+json");
    EXPECT_NE(response.body.find("\"detail\":\"no Host\""), std::string::npos) << response.body;
}

TEST_F(BadInput, TheStrangeButSoundIsServed) {
    const Row table[] = {
#include "tests/integration/odd_input.def"
    };
    start();
    for (const Row& row : table) {
        SCOPED_TRACE(row.id);
        RawClient client(port());
        client.send(row.bytes + get("/t.bin?canary"));
        const Response response = client.read_response();
        ASSERT_TRUE(response.complete()) << got_name(response.got) << " " << response.problem;
        EXPECT_TRUE(response.status == row.status || response.status == row.other)
            << response.head << response.body;
        expect_sound(response);
        if (response.announces_close()) {
            EXPECT_NE(response.status, 200) << response.head;
            EXPECT_EQ(client.read_to_end(), "") << "an answer after the last";
        } else {
            EXPECT_TRUE(is_pattern(client.read_response().body, 0, 1000)) << "the canary";
            client.half_close();
            EXPECT_EQ(client.read_to_end(), "") << "more answers than requests";
        }
        EXPECT_TRUE(canary());
    }
}

TEST_F(BadInput, ARequestMayBeSplitAnywhere) {
    start();
    const std::string requests[] = {
        get("/t.bin", "Range: bytes=1-998\r\nX-Long: a b\tc\r\n"),
        "GET /t.bin HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "\r\nGET http://t:80/t.bin?x=%20 HTTP/1.1\r\n" H "\r\n",
        "GET /t.bin HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello",
        CHUNKED "3;x\r\nabc\r\n0\r\nA: b\r\n\r\n",
    };
    for (const std::string& request : requests) {
        SCOPED_TRACE(request);
        RawClient whole(port());
        Response expected = whole.ask(request);
        ASSERT_TRUE(expected.status == 200 || expected.status == 206);
        std::vector<std::unique_ptr<RawClient>> clients;
        for (std::size_t cut = 1; cut < request.size(); ++cut) {
            clients.push_back(std::make_unique<RawClient>(port()));
            ASSERT_TRUE(clients.back()->send(std::string_view(request).substr(0, cut)));
        }
        for (std::size_t cut = 1; cut < request.size(); ++cut) {
            RawClient& client = *clients[cut - 1];
            const bool sent = client.send(std::string_view(request).substr(cut));
            const Response response = client.read_response();
            EXPECT_TRUE(sent && response.complete())
                << "cut at " << cut << ": " << response.problem;
            EXPECT_EQ(response.status, expected.status);
            EXPECT_EQ(response.body, expected.body) << "cut at " << cut;
            EXPECT_TRUE(is_pattern(client.ask(get("/t.bin")).body, 0, 1000)) << "cut at " << cut;
        }
        RawClient dripping(port());
        for (const char& byte : request) ASSERT_TRUE(dripping.send({&byte, 1}));
        EXPECT_EQ(dripping.read_response().body, expected.body);
    }
}

TEST_F(BadInput, PipelinedRequestsAreAnsweredInOrder) {
    start();
    for (const std::size_t count : {2U, 1000U}) {
        std::string requests;
        for (std::size_t i = 0; i < count; ++i) {
            const std::string range = "Range: bytes=" + std::to_string(i % 1000) + "-\r\n";
            requests += i % 3 == 0   ? get("/t.bin", range)
                        : i % 3 == 1 ? head("/t.bin")
                                     : get("/none");
        }
        RawClient client(port());
        ASSERT_TRUE(client.send(requests));
        for (std::size_t i = 0; i < count; ++i) {
            const Response response = client.read_response(i % 3 == 1);
            ASSERT_TRUE(response.complete())
                << i << ": " << got_name(response.got) << response.problem;
            ASSERT_EQ(response.status, i % 3 == 0 ? 206 : i % 3 == 1 ? 200 : 404) << i;
            if (i % 3 == 0) {
                ASSERT_TRUE(is_pattern(response.body, i % 1000, 1000 - i % 1000)) << i;
            }
        }
    }
}

TEST_F(BadInput, NothingAfterABadRequestIsRun) {
    start();
    RawClient client(port());
    client.send(get("/t.bin") + "GET /t.bin HTTP/1.1\r\n\r\n" + get("/evil"));
    EXPECT_EQ(client.read_response().status, 200);
    const Response refused = client.read_response();
    EXPECT_EQ(refused.status, 400);
    EXPECT_TRUE(refused.announces_close());
    EXPECT_EQ(client.read_to_end(), "");
    EXPECT_EQ(client.end(), Got::fin);
}

TEST_F(BadInput, AHalfClosedClientGetsAllItsAnswers) {
    write_pattern(root_ / "big.bin", 4 << 20);
    start();
    RawClient client(port());
    client.send(get("/big.bin") + get("/t.bin") + get("/big.bin"));
    client.half_close();
    EXPECT_EQ(pattern_mismatch(client.read_response().body, 0), std::nullopt);
    EXPECT_TRUE(is_pattern(client.read_response().body, 0, 1000));
    const Response last = client.read_response();
    EXPECT_TRUE(last.complete() && last.body.size() == 4U << 20);
    EXPECT_EQ(client.await_end(), Got::fin);
}

TEST_F(BadInput, AHalfCloseInsideARequestEndsItAtOnce) {
    start({"--header-timeout", "10m"}); // so that only the half close can be the cause
    for (const std::string_view part :
         {"", "G", "GET /t.bin HTTP/1.1\r\nHost:", "GET /\r\n", "\r\n"}) {
        SCOPED_TRACE(part);
        RawClient client(port());
        client.send(part);
        client.half_close();
        const std::string answer = client.read_to_end();
        EXPECT_NE(client.end(), Got::nothing);
        EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 400 ") ||
                    answer.starts_with("HTTP/1.1 505 "))
            << answer;
    }
}

TEST_F(BadInput, AnUploaderThatReadsLateSeesTheAnswer) {
    start();
    for (const std::size_t bytes : {200U << 10, 900U << 10}) {
        RawClient client(port());
        client.send("POST /t.bin HTTP/1.1\r\n" H "Content-Length: 100000000\r\n\r\n");
        EXPECT_TRUE(client.send(std::string(bytes, 'u')));
        const Response response = client.read_response();
        EXPECT_TRUE(response.complete()) << got_name(response.got);
        EXPECT_EQ(response.status, 405);
        EXPECT_TRUE(response.announces_close());
        client.half_close();
        EXPECT_EQ(client.await_end(), Got::fin);
    }
}

// The deadline is for the whole head: a byte now and then does not move it.
TEST_F(BadInput, ASlowHeadMeetsTheDeadlineOfTheWhole) {
    start({"--header-timeout", "300ms"});
    for (const bool kept : {false, true}) {
        RawClient client(port());
        if (kept) {
            EXPECT_EQ(client.ask(get("/t.bin")).status, 200);
        }
        const std::string_view line = "GET /t.bin HTTP/1.1\r\nHost: t\r\nX: ";
        client.send(line);
        const Deadline deadline;
        while (!await_fd(client.fd(), POLLIN, Deadline(std::chrono::milliseconds(30))) &&
               !deadline.over())
            client.send("x");
        ASSERT_FALSE(deadline.over());
        EXPECT_EQ(client.read_response().status, 408);
        EXPECT_EQ(client.read_to_end(), "");
    }
    RawClient silent(port());
    EXPECT_EQ(silent.await_end(), Got::fin) << "closed without a word where no word came";
    RawClient blank(port());
    blank.send("\r\n");
    blank.read_to_end();
    EXPECT_EQ(blank.end(), Got::fin);
}

TEST_F(BadInput, AnIdleConnectionIsClosedWithoutAWord) {
    start({"--idle-timeout", "300ms"});
    RawClient client(port());
    EXPECT_EQ(client.ask(get("/t.bin")).status, 200);
    EXPECT_EQ(client.await_end(), Got::fin);
}

// Over before the body has come: drained in bounded time, whoever trickles.
TEST_F(BadInput, ATrickledBodyDoesNotHoldTheConnection) {
    start();
    RawClient client(port());
    client.send("POST /t.bin HTTP/1.1\r\n" H "Content-Length: 1000000\r\n\r\n");
    EXPECT_EQ(client.read_response().status, 405);
    const Deadline deadline;
    while (client.send("x") && !deadline.over() &&
           !await_fd(client.fd(), POLLIN, Deadline(std::chrono::milliseconds(50)))) {
    }
    EXPECT_FALSE(deadline.over());
}

TEST_F(BadInput, ExpectContinueGetsOneFinalAnswer) {
    start();
    for (const bool with_body : {false, true}) {
        RawClient client(port());
        client.send("GET /t.bin HTTP/1.1\r\n" H
                    "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        if (with_body) client.send("hello");
        const Response response = client.read_response();
        EXPECT_TRUE(response.status == 200 || response.status == 417) << response.head;
        EXPECT_LE(client.interim_answers(), 1U);
        if (response.announces_close()) continue;
        if (!with_body) client.send("hello");
        EXPECT_TRUE(is_pattern(client.ask(get("/t.bin")).body, 0, 1000));
    }
    RawClient old(port());
    EXPECT_EQ(old.ask("GET /t.bin HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").status, 200);
    EXPECT_EQ(old.interim_answers(), 0U);
}

TEST_F(BadInput, ThousandResetsLeaveNothingBehind) {
    write_pattern(root_ / "big.bin", 4 << 20);
    start();
    for (int i = 0; i < 1000; ++i) {
        RawClient client(port());
        client.send(get("/big.bin"));
        if (i % 2 == 0) client.read_bytes(100);
        client.reset();
    }
    EXPECT_TRUE(canary());
}

} // namespace
} // namespace fsrv::test
