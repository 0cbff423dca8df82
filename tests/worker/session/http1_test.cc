// Http1 over a socketpair, with a real folder and by a hand clock: no worker, no listener, no wait.
#include "worker/session/http1.h"

#include "tests/support/await.h"
#include "tests/support/decode.h"
#include "tests/support/pattern_producer.h"
#include "tests/worker/session/session_test.h"
#include "worker/session/play.h"

namespace fsrv::session {
namespace {

class Http1Test : public SessionTest<Http1> {
  protected:
    std::string hears_all(const Http1& connection);
};

unsigned answers_in(std::string_view heard) {
    unsigned count = 0;
    for (std::size_t at = 0; (at = heard.find("HTTP/1.1 ", at)) != std::string_view::npos; ++at)
        ++count;
    return count;
}

TEST_F(Http1Test, ARequestThatCameWithTheConnectionIsAnsweredAtOnce) {
    const Http1& connection = come("GET /file HTTP/1.1\r\nHost: h\r\n\r\n");
    const std::string heard = hears();
    EXPECT_TRUE(heard.starts_with("HTTP/1.1 200 OK\r\n")) << heard;
    EXPECT_TRUE(heard.ends_with("\r\n\r\ncontent")) << heard;
    EXPECT_EQ(connection.state(), State::idle);
}

TEST_F(Http1Test, AHeadMayComeByteByByte) {
    const Http1& connection = come();
    EXPECT_EQ(connection.state(), State::accepted);
    for (const char c : std::string_view("GET /file HTTP/1.1\r\nHost: h\r\n\r")) {
        says({&c, 1});
        go_on();
        EXPECT_EQ(connection.state(), State::reading_head);
        EXPECT_EQ(hears(), "");
    }
    says("\n");
    go_on();
    EXPECT_TRUE(hears().ends_with("\r\n\r\ncontent"));
}

TEST_F(Http1Test, PipelinedRequestsAreAllAnsweredInOrder) {
    std::string all;
    const unsigned count = 3 * limits::kPipelineBatch + 1;
    for (unsigned i = 0; i < count; ++i) all += "GET /file HTTP/1.1\r\nHost: h\r\n\r\n";
    come(all + "GET /none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    const std::string heard = hears();
    EXPECT_EQ(answers_in(heard), count + 1);
    EXPECT_LT(heard.rfind("200 OK"), heard.find("404 Not Found"));
    EXPECT_TRUE(heard.ends_with("END"));
}

TEST_F(Http1Test, ABatchThatFillsATurnLeavesTheConnectionListening) {
    const std::string request = "GET /file HTTP/1.1\r\nHost: h\r\n\r\n";
    come(request); // from now on it is answered out of memory
    for (unsigned count = 1; count <= 2 * limits::kPipelineBatch; ++count) {
        hears();
        std::string all;
        for (unsigned i = 0; i < count; ++i) all += request;
        says(all);
        go_on();
        EXPECT_EQ(answers_in(hears()), count);
    }
}

TEST_F(Http1Test, ABodyIsSkippedBeforeTheNextRequest) {
    come("GET /file HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nGET /"
         "HEAD /file HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    const std::string heard = hears();
    EXPECT_EQ(answers_in(heard), 2U) << heard;
    EXPECT_TRUE(heard.ends_with("\r\n\r\nEND")) << heard;
}

TEST_F(Http1Test, WhatStatesWaitForHasItsTime) {
    come();
    pass(99);
    EXPECT_EQ(hears(), "");
    pass(1);
    EXPECT_EQ(hears(), "END") << "nothing was asked, nothing is answered";

    come("GET /fi");
    pass(100);
    EXPECT_TRUE(hears().starts_with("HTTP/1.1 408 "));

    come("GET /file HTTP/1.1\r\nHost: h\r\n\r\n");
    hears();
    pass(499);
    EXPECT_EQ(hears(), "");
    pass(1);
    EXPECT_EQ(hears(), "END");
}

TEST_F(Http1Test, AClientThatTakesNothingIsPausedAndGoesOnWhereItWas) {
    const Http1& connection = come("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(connection.state(), State::sending);
    EXPECT_TRUE(connection.answer()->body.holds_buffer());
    pass(1'000);
    EXPECT_EQ(connection.state(), State::paused);
    EXPECT_FALSE(connection.answer()->body.holds_buffer());
    std::string heard;
    for (unsigned i = 0; i < 1'000 && connection.state() != State::idle; ++i) {
        heard += hears();
        go_on();
    }
    heard += hears();
    const std::size_t body = heard.find("\r\n\r\n") + 4;
    EXPECT_EQ(heard.size() - body, kLarge);
    EXPECT_FALSE(test::pattern_mismatch(heard.substr(body), 0));
}

// With --total-rate 1MiB, and a table of clients.
class ThrottledTest : public Http1Test {
  protected:
    ThrottledTest() {
        table_.open();
        options_.total_rate = 1024 * 1024;
        options_.min_rate = 1024 * 1024 * 1024;
        options_.stall_timeout = Millis(500);
        deadlines_[State::idle] = Deadlines::kNever;
        limited_.emplace(table_, options_, iteration_, *score_);
        exchanges_.client_limits = &*limited_;
    }
    ~ThrottledTest() override {
        connections_.for_each(State::throttled,
                              [](Member& member) { member.close(CloseReason::done); });
        connections_.for_each(State::sending,
                              [](Member& member) { member.close(CloseReason::done); });
        connections_.destroy_buried();
    }
    std::string hears_for(std::uint64_t ms) {
        std::string heard = hears();
        for (std::uint64_t passed = 0; passed < ms; passed += 10) {
            pass(10);
            limited_->throttle()->give();
            go_on();
            for (const State state : {State::sending, State::throttled})
                connections_.for_each(state, [this](Member& member) {
                    static_cast<Http1&>(member).on_tick(iteration_.now_ms());
                });
            heard += hears();
        }
        return heard;
    }

    ClientTable table_;
    std::optional<exchange::ClientLimits> limited_;
};

TEST_F(ThrottledTest, WhoHasHadItsShareWaitsForTheNextAndIsNeitherPausedNorTooSlow) {
    const Http1& connection = come("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(connection.state(), State::throttled);
    std::string heard = hears();
    EXPECT_LT(heard.size(), kLarge / 8);
    pass(5'000);
    EXPECT_EQ(connection.state(), State::throttled) << "nobody has given it anything";
    const std::string second = hears_for(1'000);
    EXPECT_GT(second.size(), 1024U * 1024 * 9 / 10);
    EXPECT_LT(second.size(), 1024U * 1024 * 14 / 10);
    heard += second + hears_for(5'000);
    const std::size_t body = heard.find("\r\n\r\n") + 4;
    EXPECT_EQ(heard.size() - body, kLarge);
    EXPECT_FALSE(test::pattern_mismatch(heard.substr(body), 0));
    EXPECT_EQ(connection.state(), State::idle);
}

TEST_F(ThrottledTest, AClientThatTakesNothingIsPausedAndGivesBackWhatItHad) {
    options_.total_rate = std::uint64_t{1} << 40;
    limited_.emplace(table_, options_, iteration_, *score_);
    exchanges_.client_limits = &*limited_;
    options_.min_rate = 0;
    const Http1& connection = come("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(connection.state(), State::sending) << "it is the socket that has no room";
    pass(1'000);
    EXPECT_EQ(connection.state(), State::paused);
    const std::string heard = hears_for(200);
    EXPECT_EQ(heard.size() - heard.find("\r\n\r\n") - 4, kLarge);
}

TEST_F(Http1Test, OneThatIsPausedTooLongIsCut) {
    const Http1& connection = come("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    pass(1'000);
    EXPECT_EQ(connection.state(), State::paused);
    pass(10'000);
    EXPECT_EQ(connection.state(), State::closing);
    EXPECT_EQ(score_->value(Metric::closed, to_label(CloseReason::pause_timeout)), 1U);
    EXPECT_LT(hears().size(), kLarge);
}

TEST_F(Http1Test, AnEndIsToldAndWaitedFor) {
    const Http1& connection = come("GET /file HTTP/1.0\r\nX: y\r\n\r\nmore");
    EXPECT_TRUE(hears().ends_with("contentEND"));
    EXPECT_EQ(connection.state(), State::lingering) << "it still sends: a close would be a reset";
    client_.reset();
    go_on();
    EXPECT_EQ(connection.state(), State::closing);
}

TEST_F(Http1Test, WhoComesToAFullServerIsToldSo) {
    come("HEAD /file HTTP/1.1\r\nHost: h\r\n\r\n", true);
    const std::string heard = hears();
    EXPECT_TRUE(heard.starts_with("HTTP/1.1 503 ")) << heard;
    EXPECT_TRUE(heard.ends_with("\r\n\r\nEND")) << "a HEAD has no body: " << heard;
}

TEST_F(Http1Test, ADrainingServerAnswersWhatHasComeAndEnds) {
    Http1& connection = come("GET /file HTTP/1.1\r\nHost: h\r\n\r\n");
    hears();
    says("GET /file HTTP/1.1\r\nHost: h\r\n\r\n"); // the loop has not seen it
    ending_.draining = true;
    connection.leave(CloseReason::drained);
    const std::string heard = hears();
    EXPECT_NE(heard.find("\r\nConnection: close\r\n"), std::string::npos) << heard;
    EXPECT_TRUE(heard.ends_with("contentEND")) << heard;
}

// What the client hears until that connection waits for the next request.
std::string Http1Test::hears_all(const Http1& connection) {
    std::string heard = hears();
    EXPECT_TRUE(test::await([&] {
        pollfd wake{.fd = pool_.wake_fd(), .events = POLLIN, .revents = 0};
        ::poll(&wake, 1, 10);
        pool_.dispatch();
        go_on();
        heard += hears();
        return connection.state() == State::idle;
    }));
    return heard + hears();
}

TEST_F(Http1Test, WhatIsCodedWhileItIsSentLeavesTheConnectionInStep) {
    const std::string text = test::gaining_text(limits::kMostCodedAtOnce + 1);
    tree_.file("log.txt", text);
    test::set_mtime(tree_.at("log.txt"));
    const Http1& connection =
        come("GET /log.txt HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
    const std::string heard = hears_all(connection);
    EXPECT_NE(heard.find("\r\nTransfer-Encoding: chunked\r\n"), std::string::npos);
    EXPECT_NE(heard.find("\r\nContent-Encoding: gzip\r\n"), std::string::npos);
    EXPECT_EQ(heard.find("Content-Length"), std::string::npos);
    EXPECT_TRUE(heard.ends_with("\r\n0\r\n\r\n"));
    says("GET /file HTTP/1.1\r\nHost: h\r\n\r\n");
    go_on();
    EXPECT_TRUE(hears().ends_with("\r\n\r\ncontent"));
}

TEST_F(Http1Test, AClientThatGoesAwayLeavesNothingOfItsStream) {
    tree_.file("log.txt", test::gaining_text(limits::kMostCodedAtOnce + 1));
    test::set_mtime(tree_.at("log.txt"));
    come("GET /log.txt HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
    client_.reset();
    EXPECT_TRUE(test::await([&] {
        pollfd wake{.fd = pool_.wake_fd(), .events = POLLIN, .revents = 0};
        ::poll(&wake, 1, 10);
        pool_.dispatch();
        go_on();
        connections_.destroy_buried();
        return codings_.at_work() == 0 && pool_.is_idle();
    }));
}

constexpr std::uint64_t kLook = limits::kFollowLookMs;

TEST_F(Http1Test, AFollowedFileComesAsItGrowsAndItsClientIsNeitherIdleNorPaused) {
    const Http1& connection = come("GET /file?follow HTTP/1.1\r\nHost: h\r\n\r\n");
    go_on_with_pool();
    const std::string heard = hears();
    EXPECT_NE(heard.find("\r\nTransfer-Encoding: chunked\r\n"), std::string::npos);
    EXPECT_TRUE(heard.ends_with("\r\n\r\n7\r\ncontent")) << heard;
    EXPECT_EQ(connection.state(), State::following);
    EXPECT_FALSE(connection.answer()->body.holds_buffer());
    pass_with_pool(3'600'000);
    EXPECT_EQ(hears(), "");
    EXPECT_EQ(connection.state(), State::following);
    test::append_file(tree_.at("file"), "+more");
    pass_with_pool(kLook);
    EXPECT_EQ(hears(), "\r\n5\r\n+more");
    EXPECT_EQ(connection.state(), State::following);
    std::filesystem::remove(tree_.at("file"));
    pass_with_pool(kLook);
    EXPECT_EQ(hears(), "\r\n0\r\n\r\n");
    EXPECT_EQ(connection.state(), State::idle);
    says("GET /none HTTP/1.1\r\nHost: h\r\n\r\n");
    go_on_with_pool();
    EXPECT_TRUE(hears().starts_with("HTTP/1.1 404 ")) << "it is kept alive";
}

TEST_F(Http1Test, AHeadDoesNotWaitForTheFirstByteOfWhatIsFollowed) {
    come("GET /file?follow=0 HTTP/1.1\r\nHost: h\r\n\r\n");
    go_on_with_pool();
    const std::string heard = hears();
    EXPECT_TRUE(heard.starts_with("HTTP/1.1 200 OK\r\n")) << heard;
    EXPECT_TRUE(heard.ends_with("\r\n\r\n")) << heard;
    test::append_file(tree_.at("file"), "new");
    pass_with_pool(kLook);
    EXPECT_EQ(hears(), "3\r\nnew");
}

TEST_F(Http1Test, AFollowedFileThatIsCutEndsByAResetAndNotByALastChunk) {
    const Http1& connection = come("GET /file?follow HTTP/1.1\r\nHost: h\r\n\r\n");
    go_on_with_pool();
    hears();
    std::filesystem::resize_file(tree_.at("file"), 3);
    pass_with_pool(kLook);
    EXPECT_EQ(connection.state(), State::closing);
    EXPECT_EQ(score_->value(Metric::closed, to_label(CloseReason::file_changed)), 1U);
    EXPECT_EQ(hears().find("0\r\n"), std::string::npos);
}

TEST_F(Http1Test, WhoFollowsAndGoesLeavesNothing) {
    const Http1& connection = come("GET /file?follow HTTP/1.1\r\nHost: h\r\n\r\n");
    go_on_with_pool();
    EXPECT_EQ(followers_.count(), 1U);
    client_.reset();
    go_on();
    EXPECT_EQ(connection.state(), State::closing);
    EXPECT_EQ(followers_.count(), 0U);
    EXPECT_EQ(score_->value(Metric::closed, to_label(CloseReason::client_aborted)), 1U);
}

TEST_F(Http1Test, WhatComesEarlyWaitsForTheEndOfWhatIsFollowed) {
    const Http1& connection = come("GET /file?follow HTTP/1.1\r\nHost: h\r\n\r\n"
                                   "GET /none HTTP/1.1\r\nHost: h\r\n\r\n");
    go_on_with_pool();
    EXPECT_EQ(connection.state(), State::following);
    hears();
    followers_.finish();
    pass_with_pool(0);
    const std::string heard = hears();
    EXPECT_TRUE(heard.starts_with("\r\n0\r\n\r\nHTTP/1.1 404 ")) << heard;
}

TEST_F(Http1Test, AWorkerThatEndsFinishesWhatIsFollowedWithWhatThereIs) {
    come("GET /file?follow HTTP/1.1\r\nHost: h\r\n\r\n");
    go_on_with_pool();
    hears();
    test::append_file(tree_.at("file"), "+last");
    ending_.draining = true;
    followers_.finish();
    pass_with_pool(0);
    EXPECT_EQ(hears(), "\r\n5\r\n+last\r\n0\r\n\r\nEND");
}

TEST_F(Http1Test, ThereIsRoomForSoManyWhoFollow) {
    std::vector<UniqueFd> others;
    for (unsigned i = 0; i < 2; ++i) {
        come("GET /file?follow HTTP/1.1\r\nHost: h\r\n\r\n");
        go_on_with_pool();
        others.push_back(std::move(client_));
    }
    come("GET /file?follow HTTP/1.1\r\nHost: h\r\n\r\n");
    std::string heard = hears();
    EXPECT_TRUE(heard.starts_with("HTTP/1.1 503 ")) << heard;
    EXPECT_NE(heard.find("\r\nRetry-After: "), std::string::npos);
    says("HEAD /file?follow HTTP/1.1\r\nHost: h\r\n\r\n");
    go_on();
    EXPECT_TRUE(hears().starts_with("HTTP/1.1 200 ")) << "a head follows nothing";
    others.pop_back();
    go_on();
    says("GET /file?follow HTTP/1.1\r\nHost: h\r\n\r\n");
    go_on_with_pool();
    EXPECT_TRUE(hears().starts_with("HTTP/1.1 200 "));
}

TEST_F(Http1Test, WhoTakesNothingOfWhatItFollowsIsPausedLikeOthers) {
    const Http1& connection = come("GET /large?follow HTTP/1.1\r\nHost: h\r\n\r\n");
    go_on_with_pool();
    EXPECT_EQ(connection.state(), State::sending);
    pass(1'000);
    EXPECT_EQ(connection.state(), State::paused);
    std::size_t heard = 0;
    for (unsigned i = 0; i < 1'000 && connection.state() != State::following; ++i) {
        heard += hears().size();
        go_on_with_pool();
    }
    EXPECT_EQ(connection.state(), State::following);
    EXPECT_GE(heard + hears().size(), kLarge);
}

// A reader of its own: what is framed is the same whatever makes the bytes.
class Chunks : public Http1Test, public disk::FileReader {
  protected:
    void on_chunk_read() override { answer_->body.settle_read(); }
    void on_disk_ill() override {}

    // Plays all of it to a client that takes `step` bytes whenever it is to go on.
    Played play_all(http::Body body, std::size_t step) {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        const int room = 8 * 1024;
        ::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        client_.reset(ends[1]);
        wire::Transport transport(ends[0]);
        answer_.emplace(exchanges_.bodies, *this, std::move(body));
        answer_->head = "HEAD\r\n\r\n";
        ChunkFraming framing;
        heard_.clear();
        while (true) {
            const Played played = play(*answer_, transport, sessions_, &framing);
            if (played == Played::complete || played == Played::failed) {
                transport.close();
                take(SIZE_MAX);
                return played;
            }
            while (answer_->body.read_under_way()) {
                EXPECT_TRUE(test::await_fd(pool_.wake_fd(), POLLIN));
                pool_.dispatch();
            }
            if (played == Played::wait_writable) take(step);
        }
    }
    void take(std::size_t most) {
        std::string buffer(65536, 0);
        ssize_t n = 0;
        while (most > 0 &&
               (n = ::recv(client_.get(), buffer.data(), std::min(most, buffer.size()), 0)) > 0) {
            heard_.append(buffer.data(), static_cast<std::size_t>(n));
            most -= static_cast<std::size_t>(n);
        }
    }
    // The body; "" unless all of it has come, to the last chunk.
    std::string decoded() const {
        std::string_view rest = heard_;
        const std::string_view head = "HEAD\r\n\r\n";
        if (!rest.starts_with(head)) return "";
        rest.remove_prefix(head.size());
        std::string body;
        while (true) {
            const std::size_t line = rest.find("\r\n");
            if (line == std::string_view::npos) return "";
            const std::size_t length = std::stoull(std::string(rest.substr(0, line)), nullptr, 16);
            rest.remove_prefix(line + 2);
            if (rest.size() < length + 2 || rest.substr(length, 2) != "\r\n") return "";
            body.append(rest.substr(0, length));
            rest.remove_prefix(length + 2);
            if (length == 0) return rest.empty() ? body : "";
        }
    }

    std::optional<exchange::Answer> answer_;
    std::string heard_;
};

TEST_F(Chunks, ABodyOfUnknownLengthIsFramedHoweverItIsTaken) {
    for (const std::size_t step : {std::size_t{1'001}, SIZE_MAX}) {
        const std::uint64_t size = 2 * limits::kChunkBytes + 5;
        http::Body body = http::Body::of(std::string("[before]"));
        body.segments.push_back(test::body_of(std::make_shared<test::PatternProducer>(
                                                  size, http::Producer::State::end, 100'000))
                                    .segments.front());
        body.append_slice(http::Body::of(std::string("[after]")), 0, 7);
        EXPECT_EQ(play_all(std::move(body), step), Played::complete);
        EXPECT_TRUE(decoded() == "[before]" + test::pattern(0, size) + "[after]") << step;
    }
}

TEST_F(Chunks, OfNothingAreTheLastOneAlone) {
    EXPECT_EQ(play_all(test::body_of(
                           std::make_shared<test::PatternProducer>(0, http::Producer::State::end)),
                       SIZE_MAX),
              Played::complete);
    EXPECT_EQ(heard_, "HEAD\r\n\r\n0\r\n\r\n");
}

TEST_F(Chunks, TheLastOneNeverComesWhenTheProducerHasFailed) {
    EXPECT_EQ(play_all(test::body_of(std::make_shared<test::PatternProducer>(
                           1'000, http::Producer::State::changed)),
                       SIZE_MAX),
              Played::failed);
    EXPECT_EQ(answer_->body.failure(), CloseReason::file_changed);
    EXPECT_FALSE(heard_.ends_with("0\r\n\r\n"));
    EXPECT_EQ(decoded(), "");
}

} // namespace
} // namespace fsrv::session
