// What a client sent is gone before its buffers serve another one.
#include "worker/session/http1.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>

namespace fsrv::session {
namespace {

bool is_blank(const Http1Inquiry& x) {
    return std::all_of(x.buffer.get(), x.buffer.get() + x.capacity, [](char c) { return c == 0; });
}

void receive(Http1Inquiry& x, std::string_view bytes) {
    bytes.copy(x.buffer.get() + x.end, bytes.size());
    x.received(bytes.size());
}

TEST(Http1Inquiry, ForgetsAllThatWasReceived) {
    disk::Pool pool({.threads = 1});
    disk::FileCloser closer(pool);
    SpareInquiries spares(http::ParserLimits().max_head_bytes, closer);
    Http1Inquiry x(spares, {});
    std::fill_n(x.buffer.get(), x.capacity, '\0');
    receive(x, "GET /a HTTP/1.1\r\nHost: h\r\nCookie: secret\r\n\r\n");
    ASSERT_EQ(x.parser.parse_head(x.unparsed(), x.request).status, http::HeadStatus::complete);
    x.begin = x.end;
    receive(x, "GET /b HTTP/1.1\r\nAuthorization: sec"); // the next one, not whole
    x.begin = x.end = 0;                                 // as after a body
    receive(x, "short");
    x.forget();
    EXPECT_TRUE(is_blank(x));
    EXPECT_EQ(x.unparsed(), "");

    receive(x, std::string(x.capacity, 's'));
    x.forget();
    EXPECT_TRUE(is_blank(x));
    receive(x, "GET /c HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(x.parser.parse_head(x.unparsed(), x.request).status, http::HeadStatus::complete);
    EXPECT_EQ(x.request.field_count, 1U);
}

} // namespace
} // namespace fsrv::session
