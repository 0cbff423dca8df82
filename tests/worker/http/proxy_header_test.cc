// The PROXY protocol, both versions, by table; and cut at every place.
#include "common/network.h"
#include "worker/http/proxy_header.h"

#include <gtest/gtest.h>
#include <string>

namespace fsrv::http {
namespace {

using namespace std::string_literals;

constexpr const char* kNobody = ""; // the proxy's own address stays

struct Case {
    std::string bytes;
    ProxyStatus status;
    std::string source; // of a complete one
    std::uint16_t port = 0;
};

std::string version_2(unsigned command, unsigned family, const std::string& body, int length = -1) {
    const auto n = length < 0 ? static_cast<unsigned>(body.size()) : static_cast<unsigned>(length);
    return "\r\n\r\n\0\r\nQUIT\n"s + static_cast<char>(command) + static_cast<char>(family) +
           static_cast<char>(n >> 8) + static_cast<char>(n & 0xFF) + body;
}

const std::string kFour = "\xC0\0\2\1\xC6\x33\x64\1\xC8\x22\x01\xBB"s; // 192.0.2.1:51234
const std::string kSix = "\x20\1\x0D\xB8"s + std::string(11, '\0') + "\1"s + std::string(15, '\0') +
                         "\1\xC8\x22\x01\xBB"s;

const Case kCases[] = {
    {"PROXY TCP4 192.0.2.1 198.51.100.1 51234 443\r\n", ProxyStatus::complete, "192.0.2.1", 51234},
    {"PROXY TCP4 192.0.2.1 198.51.100.1 0 443\r\n", ProxyStatus::complete, "192.0.2.1", 0},
    {"PROXY TCP6 2001:db8::1 2001:db8::2 65535 1\r\n", ProxyStatus::complete, "2001:db8::1", 65535},
    {"PROXY UNKNOWN\r\n", ProxyStatus::complete, kNobody},
    {"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", ProxyStatus::complete,
     kNobody},
    {"PROXY UNKNOWN " + std::string(91, 'x') + "\r\n", ProxyStatus::complete, kNobody}, // 107
    {"PROXY UNKNOWN " + std::string(92, 'x') + "\r\n", ProxyStatus::refused},
    {"PROXY TCP4 192.0.2.1 198.51.100.1 51234 443\n", ProxyStatus::refused},
    {"PROXY TCP4 192.0.2.1 198.51.100.1 51234 443\rX", ProxyStatus::refused},
    {"PROXY TCP4 192.0.2.1 198.51.100.1 51234\r\n", ProxyStatus::refused},
    {"PROXY TCP4 192.0.2.1 198.51.100.1 51234 443 \r\n", ProxyStatus::refused},
    {"PROXY TCP4 192.0.2.1 198.51.100.1 51234 443 9\r\n", ProxyStatus::refused},
    {"PROXY TCP4  192.0.2.1 198.51.100.1 51234 443\r\n", ProxyStatus::refused},
    {"PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n", ProxyStatus::refused},
    {"PROXY TCP4 192.0.2.1 198.51.100.1 051 443\r\n", ProxyStatus::refused},
    {"PROXY TCP4 192.0.2.1 198.51.100.1 -1 443\r\n", ProxyStatus::refused},
    {"PROXY TCP4 192.0.2.256 198.51.100.1 1 443\r\n", ProxyStatus::refused},
    {"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", ProxyStatus::refused},
    {"PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n", ProxyStatus::refused},
    {"PROXY TCP6 :: ::1 1 2\r\n", ProxyStatus::refused},
    {"PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n", ProxyStatus::refused},
    {"PROXY \r\n", ProxyStatus::refused},
    {"PROXY UNKNOWNX\r\n", ProxyStatus::refused},
    {"proxy TCP4 192.0.2.1 198.51.100.1 51234 443\r\n", ProxyStatus::refused},
    {"GET / HTTP/1.1\r\n", ProxyStatus::refused},
    {"P", ProxyStatus::need_more},
    {"\r\n\r\n", ProxyStatus::need_more},
    {"", ProxyStatus::need_more},
    {"PROXY TCP4 192.0.2.1 198.51.100.1 51234 443\r", ProxyStatus::need_more},
    {"\r\n\r\n\0\r\nQUIT\r"s, ProxyStatus::refused},

    {version_2(0x21, 0x11, kFour), ProxyStatus::complete, "192.0.2.1", 51234},
    {version_2(0x21, 0x21, kSix), ProxyStatus::complete, "2001:db8::1", 51234},
    {version_2(0x21, 0x11, kFour + "\x03\0\4abcd"s), ProxyStatus::complete, "192.0.2.1", 51234},
    {version_2(0x21, 0x31, std::string(216, 'u')), ProxyStatus::complete, "unix"},
    {version_2(0x21, 0x00, ""), ProxyStatus::complete, kNobody},
    {version_2(0x21, 0x00, "whatever"), ProxyStatus::complete, kNobody},
    {version_2(0x20, 0x00, ""), ProxyStatus::complete, kNobody},
    {version_2(0x20, 0x11, kFour), ProxyStatus::complete, kNobody},
    {version_2(0x21, 0x12, kFour), ProxyStatus::refused}, // UDP
    {version_2(0x21, 0x11, kFour.substr(1)), ProxyStatus::refused},
    {version_2(0x21, 0x21, kSix.substr(1)), ProxyStatus::refused},
    {version_2(0x21, 0x21, std::string(36, '\0')), ProxyStatus::refused}, // from ::
    {version_2(0x21, 0x41, kFour), ProxyStatus::refused},
    {version_2(0x22, 0x11, kFour), ProxyStatus::refused},
    {version_2(0x11, 0x11, kFour), ProxyStatus::refused},
    {version_2(0x21, 0x11, kFour, 2000), ProxyStatus::refused}, // longer than anybody's
    {version_2(0x21, 0x11, kFour, 13), ProxyStatus::need_more},
};

TEST(ProxyHeader, IsReadAsTheTableSays) {
    for (const Case& c : kCases) {
        SCOPED_TRACE(testing::PrintToString(c.bytes));
        const ProxyHeader header = parse_proxy_header(c.bytes);
        EXPECT_EQ(header.status, c.status);
        if (header.status != ProxyStatus::complete) continue;
        EXPECT_EQ(header.bytes, c.bytes.size());
        EXPECT_EQ(header.has_source, c.source != kNobody);
        EXPECT_EQ(header.port, c.port);
        const auto source = parse_address(c.source).value_or(in6_addr{});
        EXPECT_TRUE(same_address(header.source, source));
    }
}

TEST(ProxyHeader, EndsWhereTheRequestBegins) {
    for (const Case& c : kCases) {
        if (c.status != ProxyStatus::complete) continue;
        const ProxyHeader header = parse_proxy_header(c.bytes + "PROXY GET / HTTP/1.1\r\n\r\n");
        EXPECT_EQ(header.status, ProxyStatus::complete);
        EXPECT_EQ(header.bytes, c.bytes.size());
    }
}

TEST(ProxyHeader, WaitsForMoreAtEveryCut) {
    for (const Case& c : kCases) {
        if (c.status != ProxyStatus::complete) continue;
        for (std::size_t n = 0; n < c.bytes.size(); ++n) {
            EXPECT_EQ(parse_proxy_header(std::string_view(c.bytes).substr(0, n)).status,
                      ProxyStatus::need_more)
                << n << " of " << testing::PrintToString(c.bytes);
        }
    }
}

} // namespace
} // namespace fsrv::http
