#include "worker/http/known_fields.h"

#include "tests/worker/http/ask.h"

namespace fsrv::http::test {
namespace {

std::string_view learned(KnownFields& known, const Asked& asked) {
    const std::string_view head = *asked.bytes;
    known.learn(head.substr(head.find("\r\n") + 2), asked.request);
    return known.bytes();
}

TEST(KnownFields, AreThoseOfTheLastHead) {
    KnownFields known;
    EXPECT_EQ(known.bytes(), "");
    EXPECT_EQ(learned(known, ask("GET /", {"Accept: a"})), "Host: h\r\nAccept: a\r\n\r\n");
    EXPECT_EQ(learned(known, ask("GET /", {"Accept: b"})), "Host: h\r\nAccept: b\r\n\r\n");
    Request request;
    const std::string again(known.bytes());
    known.recall(request, again.data());
    ASSERT_EQ(request.field_count, 2U);
    EXPECT_EQ(request.host.data(), again.data() + 6);
    EXPECT_EQ(request.field("accept"), "b");
}

// They stay while other clients are served.
TEST(KnownFields, AreNeverThoseOfAHeadWithCredentials) {
    for (const char* name : {"Authorization", "authorization", "COOKIE", "Cookie",
                             "Proxy-Authorization", "X-API-Key", "X-Auth-Token"}) {
        KnownFields known;
        const std::string field = name + std::string(": secret");
        EXPECT_EQ(learned(known, ask("GET /", {"Accept: a", field})), "") << name;
        const std::string before(learned(known, ask("GET /", {"Accept: a"})));
        EXPECT_EQ(learned(known, ask("GET /", {field, "Accept: a"})), before) << name;
    }
}

TEST(KnownFields, AreNotThoseOfALongHead) {
    KnownFields known;
    EXPECT_EQ(learned(known, ask("GET /", {"X: " + std::string(2000, 'x')})), "");
}

} // namespace
} // namespace fsrv::http::test
