#include "worker/http/response_head.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>
#include <string>

namespace fsrv::http {
namespace {

constexpr std::string_view kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

std::string head(const Plan& plan, HeadContext context = {}) {
    context.date = kDate;
    std::string out = "before:";
    append_response_head(out, plan, context);
    EXPECT_TRUE(out.starts_with("before:"));
    return out.substr(7);
}

TEST(ResponseHead, IsStatusLineOwnFieldsPlanFieldsAndTheEnd) {
    EXPECT_EQ(head({.status = 206, .fields = "A: b\r\nC: d\r\n"}),
              "HTTP/1.1 206 Partial Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
              "Server: fsrv\r\nA: b\r\nC: d\r\n\r\n");
}

TEST(ResponseHead, HidesTheServer) {
    EXPECT_EQ(head({.status = 204}, {.server_header = false}),
              "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
}

TEST(ResponseHead, AnnouncesWhatHappensToTheConnection) {
    struct Row {
        unsigned minor_version;
        bool keep_alive;
        bool plan_closes;
        std::string_view connection;
    };
    const Row table[] = {
        {1, true, false, ""},
        {1, false, false, "Connection: close\r\n"},
        {1, true, true, "Connection: close\r\n"},
        {0, true, false, "Connection: keep-alive\r\n"},
        {0, false, false, "Connection: close\r\n"},
        {0, true, true, "Connection: close\r\n"},
    };
    for (const Row& row : table) {
        const std::string text =
            head({.status = 200, .close = row.plan_closes},
                 {.minor_version = row.minor_version, .keep_alive = row.keep_alive});
        EXPECT_EQ(text, "HTTP/1.1 200 OK\r\nDate: " + std::string(kDate) + "\r\nServer: fsrv\r\n" +
                            std::string(row.connection) + "\r\n");
    }
}

TEST(ResponseHead, LastingPartAndTheDateSayTheSame) {
    const auto sorted_lines = [](std::string_view text) {
        std::multiset<std::string> lines;
        while (!text.empty()) {
            const auto end = std::min(text.find("\r\n"), text.size() - 2) + 2;
            lines.emplace(text.substr(0, end));
            text.remove_prefix(end);
        }
        return lines;
    };
    const Plan plan{.status = 200, .fields = "A: b\r\nC: d\r\n"};
    for (const bool server_header : {true, false}) {
        std::string lasting;
        append_lasting_head(lasting, plan, server_header);
        lasting += "Date: " + std::string(kDate) + "\r\n\r\n";
        EXPECT_EQ(sorted_lines(lasting),
                  sorted_lines(head(plan, {.server_header = server_header})));
        EXPECT_TRUE(lasting.starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

TEST(ResponseHead, StatusWithoutAPhraseKeepsItsSpace) { // RFC 9112 4: the space is not optional
    EXPECT_TRUE(head({.status = 299}).starts_with("HTTP/1.1 299 \r\n"));
}

} // namespace
} // namespace fsrv::http
