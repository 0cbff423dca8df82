// Http2 over a socketpair, with a real folder and by a hand clock; the client is nghttp2's.
#include "worker/session/http2.h"

#include "tests/worker/session/http2_peer.h"
#include "tests/worker/session/session_test.h"

#include <algorithm>
#include <climits>

namespace fsrv::session {
namespace {

constexpr std::uint64_t kStallMs = 10'000; // the defaults
constexpr std::uint64_t kPauseMs = 3'600'000;
constexpr std::uint64_t kHeaderMs = 10'000;

class Http2Test : public SessionTest<Http2> {
  protected:
    Http2Test() {
        options_.max_header_size = 16 * 1024;
        options_.stall_timeout = std::chrono::milliseconds(kStallMs);
        options_.pause_timeout = std::chrono::milliseconds(kPauseMs);
        options_.header_timeout = std::chrono::milliseconds(kHeaderMs);
        options_.http2_resets = 100;
    }
    Http2& meet(std::uint32_t window = 1 << 30) {
        peer_ = std::make_unique<Http2Peer>(window);
        end_.clear();
        connection_ = &come(peer_->to_say());
        talk();
        return *connection_;
    }
    // What can be said and heard without time passing; not more than `most` bytes are heard.
    void talk(std::size_t most = SIZE_MAX) {
        std::size_t heard = 0;
        for (bool more = true; more && heard < most;) {
            const std::string said = peer_->to_say();
            if (!said.empty()) says(said);
            go_on();
            more = !said.empty();
            char buffer[16 * 1024];
            ssize_t n = 0;
            while (heard < most && (n = ::recv(client_.get(), buffer, sizeof buffer, 0)) > 0) {
                EXPECT_TRUE(peer_->hear({buffer, static_cast<std::size_t>(n)}));
                heard += static_cast<std::size_t>(n);
                more = true;
            }
            if (n == 0) end_ = "END";
            if (n < 0 && errno == ECONNRESET) end_ = "RESET";
        }
        go_on(); // which fills the socket again
    }
    void wait(std::uint64_t ms) { // as a worker does it: the deadlines of states, then a tick
        iteration_.begin(iteration_.now_ms() + ms);
        connections_.sweep(deadlines_, iteration_.now_ms());
        const State state = connection_->state();
        if (state == State::sending || state == State::paused)
            connection_->on_tick(iteration_.now_ms());
        go_on();
    }
    // A connection that is over is gone when the next one comes.
    bool is_open() const { return connections_.count() > connections_.count(State::closing); }
    std::uint64_t closed(CloseReason reason) const {
        return score_->value(Metric::closed, to_label(reason));
    }
    void read_by_the_pool() {
        exchanges_.bodies.io = IoMode::threads;
        exchanges_.lookups.io = IoMode::inline_;
    }
    void await_pool() {
        while (!pool_.is_idle()) {
            pollfd wake{.fd = pool_.wake_fd(), .events = POLLIN, .revents = 0};
            ASSERT_EQ(::poll(&wake, 1, 60'000), 1);
            pool_.dispatch();
        }
    }
    void expect_large(std::int32_t stream) {
        const std::string& body = peer_->of(stream).body;
        EXPECT_EQ(body.size(), kLarge);
        EXPECT_FALSE(test::pattern_mismatch(body, 0));
        EXPECT_TRUE(peer_->of(stream).whole);
    }

    std::unique_ptr<Http2Peer> peer_;
    Http2* connection_ = nullptr;
    std::string end_; // how the server ended, if it has
};

TEST(Allowance, IsABurstAndARate) {
    Allowance allowance(3, 10, 1'000); // a hundred milliseconds each
    const struct {
        std::uint64_t now_ms;
        bool allowed;
    } table[] = {
        {1'000, true},  {1'000, true},  {1'000, true},   {1'000, false}, {1'099, false},
        {1'100, true},  {1'150, false}, {1'199, false},  {1'200, true},  {61'200, true},
        {61'200, true}, {61'200, true}, {61'200, false}, // no more than the burst was saved
    };
    for (const auto& [now_ms, allowed] : table) EXPECT_EQ(allowance.use(now_ms), allowed) << now_ms;
    allowance.give(1'000);
    for (unsigned i = 0; i < 3; ++i) EXPECT_TRUE(allowance.use(61'200));
    EXPECT_FALSE(allowance.use(61'200)) << "nor can more than that be given";
}

TEST_F(Http2Test, IsToldFromHttp1ByItsFirstLine) {
    for (const char* sent : {"PRI * HTTP/2.0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"})
        EXPECT_TRUE(Http2::begins(sent)) << sent;
    for (const char* sent :
         {"", "PRI", "PRI * HTTP/1.1\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "pri * HTTP/2.0"})
        EXPECT_FALSE(Http2::begins(sent)) << sent;
    for (const char* sent : {"P", "PRI ", "PRI * HTTP/2."})
        EXPECT_TRUE(Http2::may_begin(sent)) << sent;
    for (const char* sent : {"PO", "pri", "PRI * HTTP/2.0", "PRI * HTTP/1"})
        EXPECT_FALSE(Http2::may_begin(sent)) << sent;
}

TEST_F(Http2Test, ARequestIsAnswered) {
    meet();
    const std::int32_t file = peer_->get("/file"), none = peer_->get("/none");
    const std::int32_t head = peer_->ask("HEAD", "/file");
    talk();
    EXPECT_EQ(peer_->status(file), "200");
    EXPECT_EQ(peer_->of(file).body, "content");
    EXPECT_EQ(peer_->of(file).fields["content-length"], "7");
    EXPECT_EQ(peer_->of(file).fields.count("connection"), 0U);
    EXPECT_TRUE(peer_->of(file).whole);
    EXPECT_EQ(peer_->status(none), "404");
    EXPECT_TRUE(peer_->of(none).whole);
    EXPECT_EQ(peer_->of(head).fields["content-length"], "7");
    EXPECT_EQ(peer_->of(head).body, "");
    EXPECT_TRUE(peer_->of(head).whole);
    EXPECT_FALSE(peer_->of(file).reset || peer_->of(none).reset || peer_->of(head).reset);
    EXPECT_EQ(connection_->state(), State::idle);
}

TEST_F(Http2Test, ARequestMayComeByteByByte) {
    peer_ = std::make_unique<Http2Peer>();
    const std::int32_t file = peer_->get("/file");
    const std::string said = peer_->to_say();
    connection_ = &come();
    for (const char c : said) {
        EXPECT_EQ(peer_->status(file), "");
        says({&c, 1});
        go_on();
    }
    talk();
    EXPECT_EQ(peer_->of(file).body, "content");
}

// No answer follows from it that would get the connection a turn.
TEST_F(Http2Test, WhatIsNoRequestMayComeWithTheConnection) {
    peer_ = std::make_unique<Http2Peer>();
    const std::int32_t malformed = peer_->ask("GET", "no slash");
    connection_ = &come(peer_->to_say());
    talk();
    EXPECT_TRUE(peer_->of(malformed).reset || !peer_->status(malformed).empty());
}

TEST_F(Http2Test, AHundredStreamsAreAnsweredSideBySide) {
    meet();
    std::vector<std::int32_t> streams;
    for (unsigned i = 0; i < limits::kHttp2Streams; ++i)
        streams.push_back(
            peer_->get("/large", {{"range", "bytes=" + std::to_string(i) + "-69999"}}));
    talk();
    for (std::size_t i = 0; i < streams.size(); ++i) {
        EXPECT_EQ(peer_->status(streams[i]), "206");
        EXPECT_TRUE(test::is_pattern(peer_->of(streams[i]).body, i, 70'000 - i));
        EXPECT_TRUE(peer_->of(streams[i]).whole);
    }
}

TEST_F(Http2Test, NoMoreIsSentThanAWindowHasRoomFor) {
    meet(0);
    const std::int32_t stream = peer_->get("/large");
    talk();
    EXPECT_EQ(peer_->status(stream), "200") << "heads know no window";
    std::size_t room = 0;
    for (const std::int32_t more : {1, 1, 2, 100, 16'375, 1, 16'376, 65'535, 300'000}) {
        EXPECT_EQ(peer_->of(stream).body.size(), room);
        peer_->open_window(stream, more);
        talk();
        room += static_cast<std::size_t>(more);
        EXPECT_EQ(peer_->of(stream).body.size(), room);
        EXPECT_FALSE(peer_->of(stream).whole);
    }
    peer_->open_window(stream, static_cast<std::int32_t>(kLarge - room));
    talk();
    expect_large(stream);
}

TEST_F(Http2Test, AStreamWithoutAWindowIsPausedThenResetAndOthersGoOn) {
    meet(100'000);
    const std::int32_t stalled = peer_->get("/large");
    talk();
    EXPECT_EQ(peer_->of(stalled).body.size(), 100'000U);
    const auto holds_buffer = [this] {
        bool holds = false;
        connection_->for_each_answer(
            [&](const exchange::Answer& answer) { holds |= answer.body.holds_buffer(); });
        return holds;
    };
    EXPECT_TRUE(holds_buffer());
    wait(kStallMs);
    EXPECT_FALSE(holds_buffer()) << "it is given back while nothing can be sent";
    peer_->open_window(stalled, 50'000);
    talk();
    EXPECT_TRUE(test::is_pattern(peer_->of(stalled).body, 0, 150'000)) << "it goes on where it was";

    for (std::uint64_t passed = 0; passed < kStallMs + kPauseMs - 1'000; passed += 1'000)
        wait(1'000);
    talk();
    EXPECT_FALSE(peer_->of(stalled).reset);
    const std::int32_t other = peer_->get("/file");
    talk();
    EXPECT_EQ(peer_->of(other).body, "content");
    wait(1'000);
    talk();
    EXPECT_EQ(peer_->of(stalled).reset, NGHTTP2_CANCEL);
    EXPECT_FALSE(peer_->of(stalled).whole);
    const std::int32_t next = peer_->get("/file");
    talk();
    EXPECT_EQ(peer_->of(next).body, "content");
}

TEST_F(Http2Test, AClientThatReadsNothingIsPausedThenCut) {
    meet();
    const std::int32_t stream = peer_->get("/large");
    talk(100'000);
    EXPECT_EQ(connection_->state(), State::sending);
    wait(1'000);
    EXPECT_EQ(connection_->state(), State::paused);
    for (unsigned i = 0; i < 10; ++i) { // a socket of this kind takes more than it says
        wait(1'000);
        peer_->ping();
        says(peer_->to_say());
        go_on();
    }
    EXPECT_EQ(connection_->state(), State::paused) << "a frame that takes nothing is no progress";
    talk();
    expect_large(stream);

    peer_->get("/large");
    talk(100'000);
    wait(1'000);
    wait(10'000);
    EXPECT_EQ(closed(CloseReason::pause_timeout), 1U);
}

// The library has asked for the bytes of the stream's next frame when the socket is full.
TEST_F(Http2Test, AStreamThatIsCutWhileTheSocketIsFullSendsNothingMore) {
    deadlines_.ms.fill(Deadlines::kNever); // of the connection
    meet();
    const std::int32_t cut = peer_->get("/large");
    talk(100'000);
    wait(kStallMs + kPauseMs);
    talk();
    EXPECT_TRUE(peer_->of(cut).reset);
    EXPECT_FALSE(peer_->of(cut).whole);
    EXPECT_LT(peer_->of(cut).body.size(), kLarge);
    const std::int32_t next = peer_->get("/file");
    talk();
    EXPECT_EQ(peer_->of(next).body, "content");
}

TEST_F(Http2Test, AStreamMayBeResetWhileThePoolReadsForIt) {
    read_by_the_pool();
    meet();
    const std::int32_t reset = peer_->get("/large");
    says(peer_->to_say());
    go_on();
    EXPECT_FALSE(pool_.is_idle());
    const std::int32_t whole = peer_->get("/large");
    peer_->reset(reset);
    talk();
    for (unsigned i = 0; i < 1'000 && !peer_->of(whole).whole; ++i) {
        await_pool();
        talk();
    }
    expect_large(whole);
    EXPECT_EQ(peer_->of(reset).body, "");
    EXPECT_EQ(connection_->state(), State::idle);
}

TEST_F(Http2Test, IncrementalStreamsShareTheConnection) {
    meet();
    const Http2Peer::Fields incremental{{"priority", "u=3, i"}};
    std::vector<std::int32_t> streams;
    for (unsigned i = 0; i < 4; ++i) streams.push_back(peer_->get("/large", incremental));
    talk();
    std::map<std::int32_t, unsigned> frames;
    for (const std::int32_t stream : peer_->data_of) {
        ++frames[stream];
        if (peer_->data_of.size() < 4 * 10) continue;
        unsigned least = UINT_MAX, most = 0;
        for (const std::int32_t each : streams) {
            least = std::min(least, frames[each]);
            most = std::max(most, frames[each]);
        }
        EXPECT_LE(most - least, 2U);
    }
    for (const std::int32_t stream : streams) expect_large(stream);
}

TEST_F(Http2Test, OthersGoOneAfterTheOtherByUrgency) {
    meet();
    const std::int32_t late = peer_->get("/large", {{"priority", "u=5"}});
    const std::int32_t first = peer_->get("/large"), second = peer_->get("/large");
    const std::int32_t urgent = peer_->get("/large", {{"priority", "u=0"}});
    talk();
    std::vector<std::int32_t> order;
    for (const std::int32_t stream : peer_->data_of)
        if (order.empty() || order.back() != stream) order.push_back(stream);
    EXPECT_EQ(order, (std::vector{urgent, first, second, late}));
    for (const std::int32_t stream : {late, first, second, urgent}) expect_large(stream);
}

TEST_F(Http2Test, TheEndIsAnnouncedAndStreamsAreFinished) {
    meet(1'000);
    const std::int32_t before = peer_->get("/large");
    talk();
    ending_.draining = true;
    EXPECT_FALSE(connection_->leave(CloseReason::drained));
    wait(100);
    talk();
    ASSERT_EQ(peer_->goaways.size(), 1U);
    EXPECT_EQ(peer_->goaways[0].first, INT32_MAX) << "no stream is refused yet";
    EXPECT_EQ(peer_->goaways[0].second, NGHTTP2_NO_ERROR);
    wait(limits::kDrainFreshMs);
    talk();
    ASSERT_EQ(peer_->goaways.size(), 2U);
    EXPECT_EQ(peer_->goaways[1].first, before);
    EXPECT_TRUE(is_open());
    peer_->open_window(before, kLarge);
    talk();
    expect_large(before);
    EXPECT_EQ(end_, "END");
    client_.reset();
    go_on();
    EXPECT_EQ(closed(CloseReason::drained), 1U);
}

TEST_F(Http2Test, AnIdleConnectionLeavesWithAGoaway) {
    meet();
    ending_.draining = true;
    EXPECT_TRUE(connection_->leave(CloseReason::drained));
    talk();
    ASSERT_EQ(peer_->goaways.size(), 1U);
    EXPECT_EQ(peer_->goaways[0].second, NGHTTP2_NO_ERROR);
    EXPECT_EQ(end_, "END");
}

TEST_F(Http2Test, IdleTimeIsWithoutARequestWhateverElseIsSaid) {
    meet();
    const std::int32_t stream = peer_->get("/file");
    talk();
    EXPECT_TRUE(peer_->of(stream).whole);
    wait(400);
    peer_->ping();
    talk();
    EXPECT_EQ(peer_->pings, 1U);
    wait(99);
    EXPECT_EQ(connection_->state(), State::idle);
    wait(1);
    talk();
    EXPECT_EQ(end_, "END");
    EXPECT_EQ(peer_->goaways.size(), 1U);
    EXPECT_EQ(closed(CloseReason::idle_timeout), 1U);
}

TEST_F(Http2Test, ABodyIsNobodysAndTheStreamIsResetAfterItsAnswer) {
    meet();
    const std::int32_t whole = peer_->ask("GET", "/file", {}, "a body");
    talk();
    EXPECT_EQ(peer_->of(whole).body, "content");
    // Longer than the window that it gets, so that it is still being sent.
    const std::int32_t upload = peer_->ask("PUT", "/file", {}, std::string(1 << 20, 'x'));
    talk();
    EXPECT_EQ(peer_->status(upload), "405");
    EXPECT_TRUE(peer_->of(upload).whole);
    EXPECT_EQ(peer_->of(upload).reset, NGHTTP2_NO_ERROR);
    const std::int32_t next = peer_->get("/file");
    talk();
    EXPECT_EQ(peer_->of(next).body, "content");
}

TEST_F(Http2Test, TrailersMeanNothing) {
    meet();
    const std::int32_t stream = peer_->ask("GET", "/file", {}, "a body", {{"range", "bytes=0-0"}});
    talk();
    EXPECT_EQ(peer_->status(stream), "200");
    EXPECT_EQ(peer_->of(stream).body, "content");
}

TEST_F(Http2Test, AHeadThatNeverEndsHasTheTimeOfAHead) {
    meet();
    using namespace std::string_view_literals;
    says("\0\0\1\1\1\0\0\0\1\x82"sv); // HEADERS without END_HEADERS
    go_on();
    wait(kHeaderMs - 1);
    talk();
    EXPECT_EQ(end_, "");
    wait(1);
    talk();
    EXPECT_EQ(end_, "END");
    ASSERT_EQ(peer_->goaways.size(), 1U);
    EXPECT_EQ(peer_->goaways[0].second, NGHTTP2_ENHANCE_YOUR_CALM);
    client_.reset();
    go_on();
    EXPECT_EQ(closed(CloseReason::header_timeout), 1U);
}

TEST_F(Http2Test, AClientThatGoesIsNoticed) {
    meet();
    peer_->get("/large");
    talk(100'000);
    client_.reset();
    go_on();
    EXPECT_EQ(closed(CloseReason::client_aborted), 1U);
    meet();
    client_.reset();
    go_on();
    EXPECT_EQ(closed(CloseReason::client_closed), 1U);
}

TEST_F(Http2Test, AFollowedFileComesAsItGrowsBesideOtherStreams) {
    Http2& connection = meet();
    const auto talk_with_pool = [&] {
        talk();
        go_on_with_pool();
        talk();
    };
    const std::int32_t followed = peer_->get("/file?follow");
    talk_with_pool();
    EXPECT_EQ(peer_->status(followed), "200");
    EXPECT_EQ(peer_->of(followed).body, "content");
    EXPECT_EQ(connection.state(), State::following);
    const std::int32_t other = peer_->get("/file");
    talk_with_pool();
    EXPECT_EQ(peer_->of(other).body, "content");
    EXPECT_TRUE(peer_->of(other).whole);
    EXPECT_EQ(connection.state(), State::following);
    wait(2 * kPauseMs);
    EXPECT_TRUE(is_open());
    connection.on_tick(iteration_.now_ms());
    test::append_file(tree_.at("file"), "+more");
    pass_with_pool(limits::kFollowLookMs);
    talk();
    EXPECT_EQ(peer_->of(followed).body, "content+more");
    EXPECT_FALSE(peer_->of(followed).whole);
    std::filesystem::remove(tree_.at("file"));
    pass_with_pool(limits::kFollowLookMs);
    talk();
    EXPECT_TRUE(peer_->of(followed).whole);
    EXPECT_EQ(connection.state(), State::idle);
}

TEST_F(Http2Test, AFollowedFileThatIsCutResetsItsStreamAlone) {
    meet();
    const std::int32_t empty = peer_->get("/file?follow=0");
    const std::int32_t followed = peer_->get("/file?follow");
    talk();
    go_on_with_pool();
    talk();
    EXPECT_EQ(peer_->status(empty), "200") << "before there is a byte";
    std::filesystem::resize_file(tree_.at("file"), 1);
    pass_with_pool(limits::kFollowLookMs);
    talk();
    EXPECT_TRUE(peer_->of(followed).reset);
    EXPECT_TRUE(peer_->of(empty).reset);
    const std::int32_t next = peer_->get("/large");
    talk();
    expect_large(next);
}

} // namespace
} // namespace fsrv::session
