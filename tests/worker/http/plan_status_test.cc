// Answers that are made rather than found: errors, redirects, OPTIONS, health.
#include "tests/worker/http/plan_ask.h"

#include <fmt/format.h>

namespace fsrv::http::test {
namespace {

TEST(PlanStatus, MissIsAnErrorWithAShortBody) {
    for (const int status : {400, 403, 404, 500, 503}) {
        const Plan made =
            plan("GET /secret", {}, unexpected(Miss{.status = status, .what = "constant"}));
        EXPECT_EQ(made.status, status);
        EXPECT_EQ(bytes_of(made.body),
                  fmt::format("{} {}: constant\n", status, reason_phrase(status)));
        EXPECT_EQ(field(made, "Retry-After"), status == 503 ? std::optional("1"s) : std::nullopt);
        EXPECT_EQ(field(made, "Cache-Control"), "no-store");
        EXPECT_EQ(field(made, "Vary"), "Accept");
        EXPECT_EQ(field(made, "ETag"), std::nullopt);
        EXPECT_FALSE(made.close);
    }
}

TEST(PlanStatus, MissIgnoresPreconditionsAndRanges) { // CD04, RG15
    for (const char* line : {"If-Match: *", "If-None-Match: *", "Range: bytes=0-1"}) {
        const Plan made = plan("GET /t", {line}, unexpected(Miss{.status = 404}));
        EXPECT_EQ(made.status, 404) << line;
        EXPECT_EQ(field(made, "Content-Range"), std::nullopt);
    }
}

TEST(PlanStatus, TooManySaysWhenToComeAgain) {
    const Asked asked = ask("GET /");
    const Plan made = plan_too_many(asked.request, "slower, please", 7);
    EXPECT_EQ(made.status, 429);
    EXPECT_EQ(field(made, "Retry-After"), "7");
    EXPECT_EQ(bytes_of(made.body), "429 Too Many Requests: slower, please; again in 7 seconds\n");
    EXPECT_FALSE(made.close);
    expect_sound(made, asked.request.method);
}

TEST(PlanStatus, RedirectNamesItsPlace) {
    const Plan made = plan("GET /t", {}, unexpected(Miss{.status = 301, .location = "t/?q"}));
    EXPECT_EQ(made.status, 301);
    EXPECT_EQ(field(made, "Location"), "t/?q");
    EXPECT_EQ(bytes_of(made.body).find("t/"), std::string::npos);
}

TEST(PlanStatus, RedirectToHttpsKeepsHostPathAndQuery) {
    struct Row {
        const char* line;
        const char* host;
        std::uint16_t port;
        const char* location;
    };
    const Row rows[] = {
        {"GET /a%20b?c=d", "x.example", 443, "https://x.example/a%20b?c=d"},
        {"GET /", "x.example:80", 443, "https://x.example/"},
        {"GET /", "x.example:80", 8443, "https://x.example:8443/"},
        {"HEAD /", "[2001:db8::1]", 443, "https://[2001:db8::1]/"},
        {"POST /", "[::1]:8080", 8443, "https://[::1]:8443/"},
        {"GET //evil.example/x", "x.example", 443, "https://x.example//evil.example/x"},
        {"GET http://other.example:81/x?y", "x.example", 443, "https://other.example/x?y"},
        {"OPTIONS *", "x.example", 443, "https://x.example/"},
    };
    for (const Row& row : rows) {
        const Asked asked =
            parse(fmt::format("{} HTTP/1.1\r\nHost: {}\r\n\r\n", row.line, row.host));
        ASSERT_EQ(asked.result.status, HeadStatus::complete) << row.line;
        const Plan made = plan_redirect(asked.request, row.port);
        EXPECT_EQ(made.status, 308) << row.line;
        EXPECT_EQ(field(made, "Location"), row.location) << row.line;
        EXPECT_FALSE(made.close);
        expect_sound(made, asked.request.method);
    }
}

TEST(PlanStatus, ErrorTakesTheFormThatIsAskedFor) {
    const auto error = [](std::string_view accept) {
        const Asked asked = ask("GET /", {"Accept: " + std::string(accept)});
        Plan made = plan_status(asked.request, 404, "a \"constant\" <text>");
        expect_sound(made, asked.request.method);
        return made;
    };
    const Plan text = error("*/*");
    EXPECT_EQ(field(text, "Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(bytes_of(text.body), "404 Not Found: a \"constant\" <text>\n");

    const Plan json = error("application/json");
    EXPECT_EQ(field(json, "Content-Type"), "application/problem+json");
    EXPECT_EQ(bytes_of(json.body),
              "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
              "\"detail\":\"a \\\"constant\\\" <text>\"}\n");

    const Plan html = error("text/html");
    EXPECT_EQ(field(html, "Content-Type"), "text/html; charset=utf-8");
    EXPECT_TRUE(field(html, "Content-Security-Policy"));
    EXPECT_NE(bytes_of(html.body).find("404 Not Found"), std::string::npos);
    EXPECT_NE(bytes_of(html.body).find("&lt;text&gt;"), std::string::npos);
    EXPECT_EQ(bytes_of(html.body).find("<text>"), std::string::npos);
}

TEST(PlanStatus, ErrorNeverEchoesTheClient) {
    const Asked asked = ask("GET /evil?evil", {"Accept: text/html, evil/evil", "X: evil"});
    for (const int status : {400, 403, 404, 405, 412, 416, 500, 501, 503}) {
        const Plan made = plan_status(asked.request, status, "");
        EXPECT_EQ(made.fields.find("evil"), std::string::npos);
        EXPECT_EQ(bytes_of(made.body).find("evil"), std::string::npos);
        expect_sound(made, Method::get);
    }
}

TEST(PlanStatus, UnsatisfiableRangeHasABody) { // RG02
    const Plan made =
        plan("GET /t", {"Range: bytes=1000-", "Accept: application/json"}, file_of(1000));
    EXPECT_EQ(made.status, 416);
    EXPECT_EQ(field(made, "Content-Type"), "application/problem+json");
    EXPECT_GT(made.body.size(), 0U);
}

TEST(PlanStatus, OtherMethodsAreToldWhatIsAllowed) {
    for (const char* line : {"POST /", "PUT /", "DELETE /", "TRACE /", "PROPFIND /"}) {
        const Asked asked = ask(line, {"Cookie: secret"});
        const Plan made = plan_status(asked.request, 405, "");
        expect_sound(made, asked.request.method);
        EXPECT_EQ(field(made, "Allow"), "GET, HEAD, OPTIONS");
        EXPECT_EQ(bytes_of(made.body).find("secret"), std::string::npos); // RL20
    }
}

TEST(PlanStatus, OptionsIsAnsweredWithoutContent) {
    const Plan made = plan_options();
    expect_sound(made, Method::options);
    EXPECT_EQ(made.status, 204);
    EXPECT_EQ(made.fields, "Allow: GET, HEAD, OPTIONS\r\n");
}

TEST(PlanStatus, HealthIsOkUntilTheDrain) {
    for (const char* line : {"GET /-/health", "HEAD /-/health"}) {
        const Asked asked = ask(line, {"Accept: text/html"});
        const bool get = asked.request.method == Method::get;
        const Plan fine = plan_health(asked.request, false);
        expect_sound(fine, asked.request.method);
        EXPECT_EQ(fine.status, 200);
        EXPECT_EQ(bytes_of(fine.body), get ? "ok\n" : "");
        EXPECT_EQ(field(fine, "Cache-Control"), "no-store");
        const Plan draining = plan_health(asked.request, true);
        expect_sound(draining, asked.request.method);
        EXPECT_EQ(draining.status, 503);
        EXPECT_EQ(bytes_of(draining.body), get ? "draining\n" : "");
        EXPECT_TRUE(field(draining, "Retry-After"));
    }
}

TEST(PlanStatus, RefusalIsTextAndCloses) {
    for (const int status : {400, 405, 408, 414, 431, 501, 503, 505}) {
        const Plan made = plan_refusal({.status = status, .what = "a reason"}, {});
        expect_sound(made, Method::get);
        EXPECT_EQ(made.status, status);
        EXPECT_TRUE(made.close);
        EXPECT_EQ(field(made, "Content-Type"), "text/plain; charset=utf-8");
        EXPECT_EQ(bytes_of(made.body),
                  fmt::format("{} {}: a reason\n", status, reason_phrase(status)));
        EXPECT_EQ(field(made, "Allow").has_value(), status == 405);
        EXPECT_EQ(field(made, "Retry-After").has_value(), status == 503);
    }
}

TEST(PlanStatus, RefusalTakesTheFormThatTheHeadAsksFor) {
    const auto type = [](std::string_view accept) {
        const Plan made = plan_refusal({.status = 501, .what = "a reason", .accept = accept}, {});
        expect_sound(made, Method::get);
        EXPECT_EQ(field(made, "Vary"), "Accept");
        return field(made, "Content-Type");
    };
    EXPECT_EQ(type("application/json"), "application/problem+json");
    EXPECT_EQ(type("text/html,*/*;q=0.8"), "text/html; charset=utf-8");
    EXPECT_EQ(type("*/*"), "text/plain; charset=utf-8");
}

TEST(PlanStatus, RefusedHeadHasNoBody) {
    struct Row {
        std::string_view received;
        bool head;
    };
    const Row table[] = {
        {"HEAD * HTTP/1.1\r\n", true},
        {"HEAD ", true},
        {"\r\nHEAD /x", true},
        {"HEAD", false},
        {"HEADS /x", false},
        {"head /x", false},
        {"HEAD\t/x HTTP/1.1\r\n", false},
        {"\r\n\r\nHEAD /", false},
        {"GET /x HEAD ", false},
        {"", false},
    };
    for (const Row& row : table) {
        const Plan made = plan_refusal({.status = 400, .what = "a reason"}, row.received);
        expect_sound(made, row.head ? Method::head : Method::get);
        EXPECT_EQ(made.body.size() == 0, row.head) << row.received;
        EXPECT_EQ(field(made, "Content-Length"), "26");
    }
}

} // namespace
} // namespace fsrv::http::test
