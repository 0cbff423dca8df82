// Http1 over a socketpair, with a real folder and by a hand clock: no worker, no listener, no wait.
#include "worker/session/http1.h"

#include "tests/worker/session/session_test.h"

namespace fsrv::session {
namespace {

using Http1Test = SessionTest<Http1>;

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

} // namespace
} // namespace fsrv::session
