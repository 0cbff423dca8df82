#include "worker/log/access_log.h"

#include "common/escape.h"
#include "tests/worker/content/json.h"

#include <algorithm>
#include <arpa/inet.h>
#include <climits>
#include <gtest/gtest.h>
#include <string>

namespace fsrv::log {
namespace {

Peer peer(const char* address) {
    Peer out{.port = 4711};
    EXPECT_EQ(inet_pton(AF_INET6, address, &out.address), 1);
    return out;
}

struct Sent {
    std::string target = "/a.tar";
    std::string referer;
    std::string agent = "curl/7.88.1";
    std::string range;
};

// As the parser leaves it: views into the bytes that came.
std::string line(LogFormat format, const Sent& sent, LogOutcome outcome) {
    const std::string buffer = "GET " + sent.target + " HTTP/1.1\r\n";
    const std::string_view bytes = buffer;
    http::Request request;
    request.method_token = bytes.substr(0, 3);
    request.target = bytes.substr(4, sent.target.size());
    for (const auto& [name, value] :
         {std::pair<std::string_view, std::string_view>{"Referer", sent.referer},
          {"User-Agent", sent.agent},
          {"Range", sent.range}}) {
        if (!value.empty()) request.fields[request.field_count++] = {name, value};
    }
    outcome.started = {.seconds = 784111777, .nanoseconds = 123'000'000};
    outcome.started_ms = 1000;
    const LogRecord kept(
        LogFields::of(request)); // whichever way the answer took, the line is the same
    LogLines lines(format);
    std::string from_views(lines.line(LogFields::of(request), outcome));
    EXPECT_EQ(lines.line(kept.fields(), outcome), from_views);
    return from_views;
}

TEST(AccessLog, CombinedLineIsTheWellKnownOneAndTheExtendedHasMoreBehindIt) {
    const LogOutcome outcome{.peer = peer("::ffff:192.0.2.1"),
                             .status = 206,
                             .body_bytes = 500,
                             .now_ms = 1013,
                             .end = "complete"};
    const std::string combined = "192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] "
                                 "\"GET /a.tar HTTP/1.1\" 206 500 \"-\" \"curl/7.88.1\"";
    const Sent sent{.range = "bytes=0-499"};
    EXPECT_EQ(line(LogFormat::combined, sent, outcome), combined + "\n");
    EXPECT_EQ(line(LogFormat::extended, sent, outcome),
              combined + " 0.013 \"bytes=0-499\" complete\n");
}

TEST(AccessLog, JsonLineIsOneObject) {
    EXPECT_EQ(
        line(LogFormat::json, {.referer = "http://r/"},
             {.peer = peer("2001:db8::1"),
              .status = 200,
              .body_bytes = 7,
              .now_ms = 3500,
              .end = "client-aborted"}),
        R"({"time":"1994-11-06T08:49:37.123Z","client":"2001:db8::1","port":4711,)"
        R"("request":"GET /a.tar HTTP/1.1","status":200,"bytes":7,"seconds":2.500,"range":"",)"
        R"("referer":"http://r/","user_agent":"curl/7.88.1","end":"client-aborted"})"
        "\n");
}

constexpr LogFormat kFormats[] = {LogFormat::combined, LogFormat::extended, LogFormat::json};

TEST(AccessLog, WhatAClientSentCannotBreakALine) {
    const Sent hostile{.target = "/\"\\",
                       .agent = "a\"b\\c\x1b[31m\nGET / HTTP/1.1\xff\xc2\x85\u2028\u202e"};
    for (const LogFormat format : kFormats) {
        const std::string text = line(format, hostile, {.peer = peer("::1"), .end = "complete"});
        ASSERT_FALSE(text.empty());
        EXPECT_EQ(text.find('\n'), text.size() - 1) << text;
        for (const char c : text.substr(0, text.size() - 1)) {
            EXPECT_GE(static_cast<unsigned char>(c), 0x20) << text;
        }
        for (const char* unsafe : {"\xff", "\xc2\x85", "\u2028", "\u202e"})
            EXPECT_EQ(text.find(unsafe), std::string::npos) << text;
    }
}

// Whatever a client sends: a pipe takes such a line in one piece, and no reader cuts it.
TEST(AccessLog, ALineHasAtMostPipeBufBytes) {
    const LogOutcome longest{.peer = peer("2001:db80:1111:2222:3333:4444:5555:6666"),
                             .status = 999,
                             .body_bytes = UINT64_MAX,
                             .now_ms = UINT64_MAX,
                             .end = "client-aborted"};
    for (const std::string_view unit : {"x", "\"", "\\", "\x01", "\xff", "\xc3\xa9", "\u2028",
                                        "\U000e0041", "\xf0\x9f\x98\x80"}) {
        std::string all;
        while (all.size() < 16'000) all += unit;
        const Sent sent{.target = "/" + all, .referer = all, .agent = all, .range = all};
        for (const LogFormat format : kFormats) {
            const std::string text = line(format, sent, longest);
            EXPECT_LE(text.size(), std::size_t{PIPE_BUF}) << text;
            EXPECT_TRUE(is_utf8(text)) << text;
            EXPECT_EQ(text.find('\n'), text.size() - 1) << text;
            if (format == LogFormat::json) {
                const auto json = content::JsonReader::read(text);
                ASSERT_TRUE(json) << text;
                EXPECT_TRUE((*json)["request"].text.starts_with("GET /")) << text;
                EXPECT_TRUE((*json)["request"].text.ends_with("... HTTP/1.1")) << text;
                EXPECT_TRUE((*json)["user_agent"].text.ends_with("...")) << text;
            } else {
                EXPECT_NE(text.find("... HTTP/1.1\" 999 18446744073709551615 \""),
                          std::string::npos)
                    << text;
                const auto quotes = std::count(text.begin(), text.end(), '"');
                EXPECT_EQ(quotes, format == LogFormat::combined ? 6 : 8) << text;
            }
        }
    }
}

TEST(AccessLog, OnlyWhatHasNoRoomIsCut) {
    const LogOutcome outcome{.peer = peer("::1"), .end = "complete"};
    const Sent sent{.target = "/" + std::string(2300, 't'),
                    .referer = std::string(640, 'r'),
                    .agent = std::string(512, 'a'),
                    .range = std::string(256, 'b')};
    for (const LogFormat format : kFormats) {
        const std::string text = line(format, sent, outcome);
        for (const std::string& whole : {sent.target, sent.referer, sent.agent})
            EXPECT_NE(text.find(whole), std::string::npos) << text;
        EXPECT_EQ(text.find("..."), std::string::npos) << text;
    }
}

TEST(AccessLog, ADurationIsNeverNegative) {
    const std::string text =
        line(LogFormat::extended, {}, {.peer = peer("::1"), .now_ms = 10, .end = "complete"});
    EXPECT_NE(text.find(" 0.000 "), std::string::npos) << text;
}

// The text of a second is kept for the lines that follow.
TEST(AccessLog, EveryLineHasItsOwnTime) {
    LogLines combined(LogFormat::combined);
    LogLines json(LogFormat::json);
    const LogFields fields{.request_line = "GET / HTTP/1.1"};
    struct Case {
        FileTime started;
        const char* combined;
        const char* json;
    };
    for (const Case& c : {
             Case{{0, 0}, "[01/Jan/1970:00:00:00 +0000]", "1970-01-01T00:00:00.000Z"},
             Case{{784111777, 5'999'999},
                  "[06/Nov/1994:08:49:37 +0000]",
                  "1994-11-06T08:49:37.005Z"},
             Case{{784111777, 999'999'999},
                  "[06/Nov/1994:08:49:37 +0000]",
                  "1994-11-06T08:49:37.999Z"},
             Case{{784111778, 0}, "[06/Nov/1994:08:49:38 +0000]", "1994-11-06T08:49:38.000Z"},
             Case{{784111777, 0}, "[06/Nov/1994:08:49:37 +0000]", "1994-11-06T08:49:37.000Z"},
         }) {
        const LogOutcome outcome{.started = c.started, .end = "complete"};
        EXPECT_NE(combined.line(fields, outcome).find(c.combined), std::string_view::npos);
        EXPECT_NE(json.line(fields, outcome).find(c.json), std::string_view::npos);
    }
}

TEST(AccessLog, AddressesAsPeopleWriteThem) {
    for (const auto& [address, text] : {std::pair{"::ffff:0.0.0.0", "0.0.0.0"},
                                        {"::ffff:255.255.255.255", "255.255.255.255"},
                                        {"::ffff:10.0.200.7", "10.0.200.7"},
                                        {"2001:db8::1", "2001:db8::1"},
                                        {"::1", "::1"}})
        EXPECT_EQ(peer(address).text(), text);
}

TEST(AccessLog, UnixSocketsHaveNoAddress) {
    EXPECT_EQ(Peer{}.text(), "unix:");
}

TEST(AccessLog, OfWhatWasNoRequestOnlyTheFirstLineIsKept) {
    struct Case {
        std::string_view bytes;
        std::string_view kept;
    };
    const std::string longest(1000, 'x');
    for (const Case& c :
         {Case{"GET / HTTP/9\r\nHost: x\r\n", "GET / HTTP/9"}, Case{"\x16\x03\x01", "\x16\x03\x01"},
          Case{"", ""}, Case{"one\ntwo", "one"},
          Case{longest, std::string_view(longest).substr(0, 256)}}) {
        EXPECT_EQ(LogFields::of_refused(c.bytes).request_line, c.kept);
    }
}

} // namespace
} // namespace fsrv::log
