// Heads and bodies as clients should not send them, and as they may: what the parser makes of each,
// the same for every way in which the bytes may be split, with another request behind.
#include "tests/worker/http/ask.h"
#include "tests/worker/http/session.h"
#include "worker/http/head_check.h"

#include <set>

namespace fsrv::http::test {
namespace {

using namespace std::string_literals;

#define H "Host: h\r\n"
#define CHUNKED "Transfer-Encoding: chunked"
constexpr std::string_view kCanary = "GET /canary HTTP/1.1\r\n" H "\r\n";

struct Bytes { // a literal with NULs inside
    template <std::size_t N>
    Bytes(const char (&literal)[N]) : text(literal, N - 1) {}
    std::string text;
};

struct RefusedHead {
    const char* name;
    Bytes bytes;
    int status;
};
const RefusedHead kRefused[] = {
#include "tests/worker/http/refused_heads.def"
};

struct SoundHead {
    const char* name;
    Bytes bytes;
    const char* seen;
};
const SoundHead kSound[] = {
#include "tests/worker/http/sound_heads.def"
};

struct BodyCase {
    const char* name;
    std::string field;
    std::string body;
    bool skipped;
    std::string stream() const {
        return "GET /first HTTP/1.1\r\n" H + field + (field.empty() ? "" : "\r\n") + "\r\n" + body +
               std::string(kCanary);
    }
};
const BodyCase kBodies[] = {
#include "tests/worker/http/bodies.def"
};

std::string show(const Request& request) {
    static constexpr const char* kMethods[] = {"GET", "HEAD", "OPTIONS", "other"};
    std::string out = fmt::format("{} {} {}", kMethods[static_cast<int>(request.method)],
                                  request.origin, request.host);
    if (request.minor_version == 0) out += " 1.0";
    if (!request.keep_alive) out += " close";
    if (request.expects_continue) out += " expects";
    if (request.chunked) out += " chunked";
    if (request.content_length > 0) out += fmt::format(" length={}", request.content_length);
    return out;
}

void expect_same_for_every_split(std::string_view stream, ParserLimits limits = {}) {
    const Transcript whole = play_whole(stream, limits);
    EXPECT_TRUE(whole.views_inside);
    const Transcript bytewise = play_bytewise(stream, limits);
    EXPECT_EQ(bytewise.text, whole.text);
    EXPECT_TRUE(bytewise.views_inside);
    for (std::size_t cut = 1; cut < stream.size(); ++cut) {
        const Transcript split = play_split(stream, cut, limits);
        ASSERT_EQ(split.text, whole.text) << "cut at " << cut;
        ASSERT_TRUE(split.views_inside) << "cut at " << cut;
    }
}

TEST(Parser, RefusesWhatNoClientMaySend) {
    for (const RefusedHead& head : kRefused) {
        SCOPED_TRACE(head.name);
        const Asked asked = parse(head.bytes.text);
        EXPECT_EQ(asked.result.status, HeadStatus::refused);
        EXPECT_EQ(asked.result.refusal.status, head.status) << asked.result.refusal.what;
        EXPECT_FALSE(asked.result.refusal.what.empty());
    }
}

TEST(Parser, SeesNoRequestInARefusedHeadHoweverItIsSplit) {
    for (const RefusedHead& head : kRefused) {
        SCOPED_TRACE(head.name);
        const std::string stream = head.bytes.text + std::string(kCanary);
        const Transcript transcript = play_whole(stream);
        EXPECT_EQ(transcript.requests, 0U) << transcript.text;
        EXPECT_TRUE(transcript.refused);
        expect_same_for_every_split(stream);
    }
}

TEST(Parser, TakesWhatIsSound) {
    for (const SoundHead& head : kSound) {
        SCOPED_TRACE(head.name);
        const Asked asked = parse(head.bytes.text);
        ASSERT_EQ(asked.result.status, HeadStatus::complete) << asked.result.refusal.what;
        EXPECT_EQ(asked.result.head_bytes, head.bytes.text.size());
        EXPECT_EQ(show(asked.request), head.seen);
    }
}

TEST(Parser, SeesTheSameRequestHoweverItIsSplit) {
    for (const SoundHead& head : kSound) {
        SCOPED_TRACE(head.name);
        expect_same_for_every_split(head.bytes.text + std::string(kCanary));
    }
}

// What a parser knows of an earlier request changes nothing that it sees in a later one.
TEST(Parser, SeesInTheSameFieldsWhatANewOneSees) {
    static constexpr const char* kLines[] = {
        "GET /x HTTP/1.1",  "GET /y?z HTTP/1.1", "HEAD /x HTTP/1.1",        "OPTIONS * HTTP/1.1",
        "POST /x HTTP/1.1", "GET * HTTP/1.1",    "GET http://h/x HTTP/1.1", "GET /x HTTP/1.0",
        "GET /x HTTP/2.0",  "GET x HTTP/1.1",    "CONNECT h:1 HTTP/1.1",    "\r\nGET /x HTTP/1.1"};
    for (const SoundHead& head : kSound) {
        SCOPED_TRACE(head.name);
        const std::string_view first = head.bytes.text;
        if (parse(head.bytes.text).request.has_body()) continue;
        const std::string_view fields = first.substr(first.find("HTTP/1.") + 8);
        for (const std::string_view line : kLines) {
            for (const std::string_view behind : {"", "GET /next HTTP/1.1\r\n"}) {
                const std::string second = fmt::format("{}{}{}", line, fields, behind);
                const std::string stream = std::string(first) + second;
                EXPECT_EQ(play_whole(stream).text,
                          play_whole(first).text + play_whole(second).text);
                EXPECT_EQ(play_bytewise(stream).text, play_whole(stream).text);
            }
        }
    }
}

TEST(Parser, IsCompleteAtTheLastByteAndNotBefore) {
    for (const SoundHead& head : kSound) {
        SCOPED_TRACE(head.name);
        RequestParser parser({});
        Request request;
        const std::string_view bytes = head.bytes.text;
        for (std::size_t n = 0; n < bytes.size(); ++n)
            ASSERT_EQ(parser.parse_head(bytes.substr(0, n), request).status, HeadStatus::need_more)
                << n;
        EXPECT_EQ(parser.parse_head(bytes, request).status, HeadStatus::complete);
    }
}

TEST(Parser, SkipsABodyAndSeesTheNextRequestOrEndsTheConnection) {
    for (const BodyCase& body : kBodies) {
        SCOPED_TRACE(body.name);
        const Transcript transcript = play_whole(body.stream());
        EXPECT_EQ(transcript.requests, body.skipped ? 2U : 1U) << transcript.text;
        EXPECT_EQ(transcript.text.find("/evil"), std::string::npos) << transcript.text;
        if (body.skipped) {
            EXPECT_FALSE(transcript.refused);
            EXPECT_NE(transcript.text.find("target=/canary"), std::string::npos);
        }
    }
}

TEST(Parser, SkipsABodyTheSameHoweverItIsSplit) {
    for (const BodyCase& body : kBodies) {
        SCOPED_TRACE(body.name);
        const std::string stream = body.stream();
        if (stream.size() < 2000) {
            expect_same_for_every_split(stream);
            continue;
        }
        const Transcript whole = play_whole(stream);
        EXPECT_EQ(play_bytewise(stream).text, whole.text);
        for (const std::size_t piece : {7U, 1000U, 4096U, 65535U, 65536U, 65537U})
            EXPECT_EQ(play(stream, [&](std::size_t at) { return at + piece; }).text, whole.text);
    }
}

TEST(Parser, RefusesAPromiseOverTheLimitBeforeItsFirstByte) { // FR17
    const Asked asked = ask("POST /", {"Content-Length: 65537"});
    RequestParser parser({});
    Request request;
    ASSERT_EQ(parser.parse_head(*asked.bytes, request).status, HeadStatus::complete);
    EXPECT_EQ(parser.skip_body("").status, RequestParser::BodyStatus::refused);
}

TEST(Parser, TakesPipelinedRequestsInOrder) { // CN01
    std::string stream;
    for (int i = 0; i < 1000; ++i) stream += fmt::format("GET /{} HTTP/1.1\r\n" H "\r\n", i);
    const Transcript transcript = play_whole(stream);
    EXPECT_EQ(transcript.requests, 1000U);
    EXPECT_EQ(play(stream, [](std::size_t at) { return at + 13; }).text, transcript.text);
    std::size_t at = 0;
    for (int i = 0; i < 1000; ++i) {
        at = transcript.text.find(fmt::format("target=/{} ", i), at);
        ASSERT_NE(at, std::string::npos) << i;
    }
}

TEST(Parser, SeesNothingBehindABadRequest) { // CN03
    const std::string good = "GET /good HTTP/1.1\r\n" H "\r\n";
    const Transcript transcript = play_whole(good + "GET /bad HTTP/1.1\r\n\r\n" + good);
    EXPECT_EQ(transcript.requests, 1U);
    EXPECT_TRUE(transcript.refused);
}

TEST(Parser, SurplusBytesAreTheNextRequest) { // FR16
    const Transcript transcript =
        play_whole("GET / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\nhello " + std::string(kCanary));
    EXPECT_EQ(transcript.requests, 1U);
    EXPECT_NE(transcript.text.find("refused 400"), std::string::npos) << transcript.text;
}

TEST(Parser, BothRequestsAreSeenWhenTheFirstWantsAnUpgrade) { // HD19
    for (const char* fields : {"Connection: Upgrade\r\nUpgrade: websocket\r\n",
                               "Upgrade: h2c\r\nConnection: HTTP2-Settings, upgrade\r\n"}) {
        const auto transcript = play_whole("GET / HTTP/1.1\r\n" H + std::string(fields) + "\r\n" +
                                           std::string(kCanary));
        EXPECT_EQ(transcript.requests, 2U) << transcript.text;
    }
}

// A GET whose head has exactly so many bytes.
std::string head_of(std::size_t bytes) {
    const std::string start = "GET / HTTP/1.1\r\n" H "X: ";
    return start + std::string(bytes - start.size() - 4, 'x') + "\r\n\r\n";
}

TEST(Parser, HeadMayHaveExactlyTheLimit) { // HD13, HD14
    const ParserLimits limits{.max_head_bytes = 200};
    for (const std::string& before : {""s, "\r\n"s}) { // the empty line is not the head's
        EXPECT_EQ(parse(before + head_of(199), limits).result.status, HeadStatus::complete);
        EXPECT_EQ(parse(before + head_of(200), limits).result.status, HeadStatus::complete);
        EXPECT_EQ(parse(before + head_of(201), limits).result.refusal.status, 431);
        expect_same_for_every_split(before + head_of(199) + std::string(kCanary), limits);
        expect_same_for_every_split(before + head_of(200) + std::string(kCanary), limits);
        expect_same_for_every_split(before + head_of(201) + std::string(kCanary), limits);
    }
    EXPECT_EQ(parse(head_of(16 * 1024)).result.status, HeadStatus::complete);
    EXPECT_EQ(parse(head_of(16 * 1024 + 1)).result.refusal.status, 431);
}

TEST(Parser, RefusesAHeadOverTheLimitWithoutItsEnd) {
    const std::string start = "GET / HTTP/1.1\r\n" H;
    const std::string endless[] = {
        start + "X: " + std::string(100'000, 'x'),
        start + std::string(100'000, 'x'),
        start + "X:" + std::string(100'000, ' '),
    };
    for (const std::string& bytes : endless) {
        const Asked asked = parse(bytes);
        EXPECT_EQ(asked.result.refusal.status, 431) << asked.result.refusal.what;
        // Nothing more is needed to know it than the limit has.
        EXPECT_EQ(parse(bytes.substr(0, 16 * 1024)).result.status, HeadStatus::refused);
        EXPECT_EQ(parse(bytes.substr(0, 16 * 1024 - 1)).result.status, HeadStatus::need_more);
    }
}

TEST(Parser, MayHaveAsManyFieldsAsTheLimit) {
    const std::string start = "GET / HTTP/1.1\r\n" H;
    const Asked most = parse(start + repeat("X: y\r\n", limits::kMaxFields - 1) + "\r\n");
    EXPECT_EQ(most.result.status, HeadStatus::complete);
    EXPECT_EQ(most.request.field_count, limits::kMaxFields);
    EXPECT_EQ(most.request.count("x"), limits::kMaxFields - 1);
    const std::string more = start + repeat("X: y\r\n", limits::kMaxFields) + "\r\n";
    EXPECT_EQ(parse(more).result.refusal.status, 431);
    expect_same_for_every_split(more);
    EXPECT_EQ(parse(start + repeat("X:\r\n", 10'000)).result.refusal.status, 431);
}

TEST(Parser, TargetMayHaveExactlyTheLimit) { // RL23
    const auto target_of = [](std::size_t bytes) { return "/" + std::string(bytes - 1, 'a'); };
    const auto with = [](const std::string& target) {
        return parse("GET " + target + " HTTP/1.1\r\n" H "\r\n").result;
    };
    EXPECT_EQ(with(target_of(8000)).status, HeadStatus::complete);
    EXPECT_EQ(with(target_of(limits::kMaxTarget)).status, HeadStatus::complete);
    EXPECT_EQ(with(target_of(limits::kMaxTarget + 1)).refusal.status, 414);
    EXPECT_EQ(with(target_of(100'000)).refusal.status, 414);
    // The line need not have ended, and a smaller limit for heads gives the same answer.
    EXPECT_EQ(parse("GET " + target_of(limits::kMaxTarget + 1)).result.refusal.status, 414);
    EXPECT_EQ(parse("GET " + target_of(limits::kMaxTarget)).result.status, HeadStatus::need_more);
    EXPECT_EQ(parse("GET " + target_of(2000), {.max_head_bytes = 1024}).result.refusal.status, 414);
}

TEST(Parser, RawBytesOfATargetCountAsTheirEncodedForm) {
    const auto with = [](const std::string& target) {
        return parse("GET " + target + " HTTP/1.1\r\n" H "\r\n").result;
    };
    const std::string raw(1000, '\xE9'); // 3000 bytes when encoded
    const std::string fits(limits::kMaxTarget - 3001, 'a');
    for (const std::string& target : {"/" + raw + fits, "/" + fits + raw, "/" + fits + "?" + raw}) {
        const bool one_more = target.find('?') != std::string::npos;
        EXPECT_EQ(with(target).status, one_more ? HeadStatus::refused : HeadStatus::complete);
        EXPECT_EQ(with(target + "a").refusal.status, 414);
        EXPECT_EQ(with(target + "\xE9").refusal.status, 414);
    }
    const Asked asked = parse("GET /" + raw + fits + " HTTP/1.1\r\n" H "\r\n");
    EXPECT_EQ(asked.request.target.size(), limits::kMaxTarget);
    EXPECT_EQ(with("/" + std::string(100'000, '\xE9')).refusal.status, 414);
}

// What is not the request line's or another protocol's fault is told when the head is whole.
TEST(Parser, ARefusalKnowsTheAcceptOfAHeadThatIsSoundByteByByte) {
    struct Row {
        const char* name;
        std::string bytes;
        int status;
        const char* accept;
    };
    const std::string json = "Accept: application/json\r\n";
    const Row table[] = {
        {"unknown method", "BREW / HTTP/1.1\r\n" H + json + "\r\n", 501, "application/json"},
        {"unknown method, 1.0", "BREW / HTTP/1.0\r\n" + json + "\r\n", 501, "application/json"},
        {"CONNECT", "CONNECT a:1 HTTP/1.1\r\n" H + json + "\r\n", 405, "application/json"},
        {"no Host", "GET / HTTP/1.1\r\n" + json + "\r\n", 400, "application/json"},
        {"bad Host", "GET / HTTP/1.1\r\nHost: a/b\r\n" + json + "\r\n", 400, "application/json"},
        {"unknown coding", "GET / HTTP/1.1\r\n" H "Transfer-Encoding: x\r\n" + json + "\r\n", 501,
         "application/json"},
        {"two framings",
         "GET / HTTP/1.1\r\n" H CHUNKED "\r\nContent-Length: 1\r\naccept:\t text/html \r\n\r\n",
         400, "text/html"},
        {"no Accept", "BREW / HTTP/1.1\r\n" H "X-Accept: a\r\nAccept-Language: a\r\n\r\n", 501, ""},
        {"two of them", "BREW / HTTP/1.1\r\n" H + json + json + "\r\n", 501, ""},
        {"a field that cannot be", "BREW / HTTP/1.1\r\n" H + json + " X: y\r\n\r\n", 400, ""},
        {"another version", "GET / HTTP/2.0\r\n" H + json + "\r\n", 505, ""},
        {"target", "GET * HTTP/1.1\r\n" H + json + "\r\n", 400, ""},
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.name);
        const Asked asked = parse(row.bytes);
        EXPECT_EQ(asked.result.status, HeadStatus::refused);
        EXPECT_EQ(asked.result.refusal.status, row.status);
        EXPECT_EQ(asked.result.refusal.accept, row.accept);
        EXPECT_TRUE(is_inside(asked.result.refusal.accept, *asked.bytes));
        expect_same_for_every_split(row.bytes);
    }
}

TEST(Parser, AnUnknownMethodIsRefusedWhenItsHeadIsWhole) {
    const std::string head = "BREW / HTTP/1.1\r\n" H "\r\n";
    EXPECT_EQ(parse(head.substr(0, head.size() - 1)).result.status, HeadStatus::need_more);
    EXPECT_EQ(parse(head).result.refusal.status, 501);
}

TEST(Parser, RefusesALongMethodBeforeItsEnd) { // RL22
    EXPECT_EQ(parse(std::string(100'000, 'A')).result.refusal.status, 400);
    EXPECT_EQ(parse(std::string(33, 'A')).result.refusal.status, 400);
    EXPECT_EQ(parse(std::string(32, 'A')).result.status, HeadStatus::need_more);
}

TEST(Parser, RefusesEmptyLinesBeforeTheirEnd) { // RL24
    EXPECT_EQ(parse(repeat("\r\n", 10'000)).result.refusal.status, 400);
    EXPECT_EQ(parse("\r\n\r").result.status, HeadStatus::refused);
    EXPECT_EQ(parse("\r\n").result.status, HeadStatus::need_more);
}

TEST(Parser, KnowsTheMethodsOfHttp) {
    const std::set<std::string_view> known = {
        "DELETE",      "GET",      "HEAD",   "POST",      "PUT",    "OPTIONS",  "TRACE",
        "COPY",        "LOCK",     "MKCOL",  "MOVE",      "SEARCH", "PROPFIND", "PROPPATCH",
        "UNLOCK",      "BIND",     "REBIND", "UNBIND",    "ACL",    "REPORT",   "MKACTIVITY",
        "CHECKOUT",    "MERGE",    "NOTIFY", "SUBSCRIBE", "PATCH",  "PURGE",    "MKCALENDAR",
        "UNSUBSCRIBE", "M-SEARCH", "LINK",   "UNLINK"};
    for (const std::string_view method : known) {
        const Asked asked = ask(std::string(method) + " /");
        EXPECT_EQ(asked.request.method_token, method);
        const auto expected = method == "GET"       ? Method::get
                              : method == "HEAD"    ? Method::head
                              : method == "OPTIONS" ? Method::options
                                                    : Method::other;
        EXPECT_EQ(asked.request.method, expected) << method;
    }
}

TEST(Parser, TellsTargetFromOrigin) {
    const Asked asked = ask("GET http://i:80/a?b");
    EXPECT_EQ(asked.request.target, "http://i:80/a?b");
    EXPECT_EQ(asked.request.origin, "/a?b");
    EXPECT_EQ(asked.request.host, "i:80");
    EXPECT_EQ(asked.request.field("Host"), "h");
}

TEST(Parser, ForgetsTheRequestBefore) {
    RequestParser parser({});
    Request request;
    const std::string rich =
        "PUT http://i/a HTTP/1.1\r\n" H "Content-Length: 2\r\nConnection: close\r\n"
        "Expect: 100-continue\r\nX: y\r\n\r\n";
    ASSERT_EQ(parser.parse_head(rich, request).status, HeadStatus::complete);
    EXPECT_EQ(show(request), "other /a i close expects length=2");
    ASSERT_EQ(parser.skip_body("xy").status, RequestParser::BodyStatus::complete);
    parser.reset();
    const std::string plain = "GET / HTTP/1.0\r\n\r\n";
    ASSERT_EQ(parser.parse_head(plain, request).status, HeadStatus::complete);
    EXPECT_EQ(show(request), "GET /  1.0 close");
    EXPECT_EQ(request.field_count, 0U);
}

TEST(Parser, StaysRefused) {
    RequestParser parser({});
    Request request;
    std::string buffer = "GET / HTTP/1.1\r\n X: y\r\n";
    const auto first = parser.parse_head(buffer, request);
    ASSERT_EQ(first.status, HeadStatus::refused);
    buffer += H "\r\n";
    const auto second = parser.parse_head(buffer, request);
    EXPECT_EQ(second.status, HeadStatus::refused);
    EXPECT_EQ(second.refusal.what, first.refusal.what);
}

TEST(Parser, MovesWithWhatItHasSeen) {
    RequestParser first({});
    Request request;
    const std::string bytes = "GET / HTTP/1.1\r\n" H CHUNKED "\r\n\r\n";
    ASSERT_EQ(first.parse_head(bytes.substr(0, 20), request).status, HeadStatus::need_more);
    RequestParser second = std::move(first);
    ASSERT_EQ(second.parse_head(bytes, request).status, HeadStatus::complete);
    RequestParser third({});
    third = std::move(second);
    EXPECT_EQ(third.skip_body("1\r\nx\r\n0\r\n\r\n").status, RequestParser::BodyStatus::complete);
}

} // namespace
} // namespace fsrv::http::test
