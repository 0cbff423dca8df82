// Networks, and whose word on where a client is counts.
#include "worker/http/forwarded.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace fsrv::http {
namespace {

TEST(Network, HoldsItsAddressesAndNoOthers) {
    struct Case {
        const char* network;
        const char* address; // "unix": a Unix socket's peer
        bool holds;
    };
    const Case cases[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.77/24", "192.0.2.1", true},
        {"10.0.0.0/9", "10.127.1.1", true},
        {"10.0.0.0/9", "10.128.1.1", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"0.0.0.0/0", "unix", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "192.0.2.1", false},
        {"::/0", "unix", false},
        {"::1", "::1", true},
        {"::ffff:192.0.2.0/120", "192.0.2.9", true},
        {"unix", "unix", true},
        {"unix", "127.0.0.1", false},
    };
    for (const Case& c : cases) {
        const auto network = parse_network(c.network);
        ASSERT_TRUE(network) << c.network;
        const auto address = parse_address(c.address).value_or(in6_addr{});
        EXPECT_EQ(network->holds(address), c.holds) << c.network << " " << c.address;
    }
}

TEST(Network, IsNotMadeOfAnythingElse) {
    for (const char* text :
         {"", "unix:", "192.0.2", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/2 4",
          "192.0.2.0/255.255.255.0", "/24", "2001:db8::/129", "[2001:db8::]/32", "fe80::1%eth0",
          "::", "localhost", "192.0.2.1:80", "*"}) {
        EXPECT_FALSE(parse_network(text)) << text;
    }
}

struct Sent {
    std::vector<Field> fields;
    const char* client;
};
constexpr const char* kForwarded = "Forwarded";
constexpr const char* kCustomary = "X-Forwarded-For";
const std::string kManyHops = [] {
    std::string all = "203.0.113.9";
    for (int i = 0; i < 100; ++i) all += ", 10.0.0.1";
    return all;
}();

// The peer is 10.0.0.9; trusted are 10.0.0.0/8 and 2001:db8:1::/48.
const Sent kSent[] = {
    {{}, "10.0.0.9"},
    {{{kCustomary, "203.0.113.9"}}, "203.0.113.9"},
    {{{"x-forwarded-FOR", "203.0.113.9:4711"}}, "203.0.113.9"},
    {{{kCustomary, "2001:db8::5"}}, "2001:db8::5"},
    {{{kCustomary, "[2001:db8::5]:80"}}, "2001:db8::5"},
    {{{kCustomary, "[2001:db8::5]"}}, "2001:db8::5"},
    // The client made up what stands left of it.
    {{{kCustomary, "1.2.3.4, 203.0.113.9"}}, "203.0.113.9"},
    {{{kCustomary, "1.2.3.4, 203.0.113.9, 10.1.1.1"}}, "203.0.113.9"},
    {{{kCustomary, "10.6.6.6, 203.0.113.9,10.1.1.1 , 2001:db8:1::7"}}, "203.0.113.9"},
    {{{kCustomary, "1.2.3.4"}, {"Accept", "*/*"}, {kCustomary, "203.0.113.9"}}, "203.0.113.9"},
    {{{kCustomary, "1.2.3.4"}, {kCustomary, "10.1.1.1"}}, "1.2.3.4"},
    {{{kCustomary, "10.2.2.2, 10.1.1.1"}}, "10.2.2.2"}, // all are proxies: the furthest
    // What cannot be read ends the walk where it is.
    {{{kCustomary, ""}}, "10.0.0.9"},
    {{{kCustomary, "unknown"}}, "10.0.0.9"},
    {{{kCustomary, "1.2.3.4, nonsense, 10.1.1.1"}}, "10.1.1.1"},
    {{{kCustomary, "203.0.113.9,"}}, "10.0.0.9"},
    {{{kCustomary, "::"}}, "10.0.0.9"},
    {{{kCustomary, "unix"}}, "10.0.0.9"},
    {{{kCustomary, "[203.0.113.9"}}, "10.0.0.9"},
    {{{kCustomary, "[2001:db8::5]x"}}, "10.0.0.9"},
    {{{kCustomary, kManyHops}}, "10.0.0.1"}, // as far as anybody looks

    {{{kForwarded, "for=203.0.113.9"}}, "203.0.113.9"},
    {{{kForwarded, "For=\"[2001:db8::5]:4711\""}}, "2001:db8::5"},
    {{{kForwarded, "proto=http;for=\"203.0.113.9:80\" ;by=10.0.0.9"}}, "203.0.113.9"},
    {{{kForwarded, "for=1.2.3.4, for=203.0.113.9;host=\"a,b;for=6.6.6.6\", for=10.1.1.1"}},
     "203.0.113.9"},
    {{{kForwarded, "for=1.2.3.4"}, {kForwarded, "for=203.0.113.9"}}, "203.0.113.9"},
    {{{kForwarded, "for=203.0.113.9, proto=https"}}, "10.0.0.9"},
    {{{kForwarded, "for=unknown"}}, "10.0.0.9"},
    {{{kForwarded, "for=_hidden, for=10.1.1.1"}}, "10.1.1.1"},
    {{{kForwarded, "for=1.2.3.4;for=203.0.113.9"}}, "10.0.0.9"},
    {{{kForwarded, "for=\"203.0.113.9"}}, "10.0.0.9"},
    {{{kForwarded, "host=\"open, for=1.2.3.4"}}, "10.0.0.9"},
    {{{kForwarded, "host=\"\\\", for=1.2.3.4\", for=203.0.113.9"}}, "203.0.113.9"},
    // A client's quote that does not end swallows no proxy's word.
    {{{kForwarded, "for=6.6.6.6;x=\", for=203.0.113.9"}}, "10.0.0.9"},
    {{{kForwarded, "for=6.6.6.6;x=\",for=\"[2001:db8::5]:1\""}}, "10.0.0.9"},
    {{{kForwarded, "for=6.6.6.6;x=\"\\, for=203.0.113.9;by=\"10.0.0.9:1\""}}, "10.0.0.9"},
    {{{kForwarded, "for=6.6.6.6;x=\"\\"}}, "10.0.0.9"},
    {{{kForwarded, "for=6.6.6.6;x=a\"b, for=203.0.113.9"}}, "10.0.0.9"},
    {{{kForwarded, "for=6.6.6.6, for=10.1.1.1;x=\", for=203.0.113.9, for=10.2.2.2"}}, "10.0.0.9"},
    {{{kForwarded, "for=6.6.6.6;x=\""}, {kForwarded, "for=203.0.113.9"}}, "203.0.113.9"},
    {{{kForwarded, "for=6.6.6.6;x=\""}, {kForwarded, "for=10.1.1.1"}}, "10.1.1.1"},
    {{{kForwarded, "for=6.6.6.6;x=\"a\\\"b\", for=203.0.113.9"}}, "203.0.113.9"},
    {{{kForwarded, "(for=6.6.6.6\"), for=203.0.113.9"}}, "10.0.0.9"}, // there are no comments
    {{{kForwarded, "for=\"203.0.113.9\"6.6.6.6"}}, "10.0.0.9"},
    {{{kForwarded, "for=\"203.0.113\\.9\""}}, "10.0.0.9"}, // escapes are no part of an address
    {{{kCustomary, "\"6.6.6.6, 203.0.113.9"}}, "203.0.113.9"},
    {{{kCustomary, "\"6.6.6.6, 203.0.113.9\""}}, "10.0.0.9"},
    {{{kCustomary, "6.6.6.6\\, 203.0.113.9"}}, "203.0.113.9"},
    {{{kForwarded, "for="}}, "10.0.0.9"},
    {{{kForwarded, "for"}}, "10.0.0.9"},

    // The two agree, or neither is believed: one of them is the client's own.
    {{{kForwarded, "for=203.0.113.9"}, {kCustomary, "203.0.113.9"}}, "203.0.113.9"},
    {{{kForwarded, "for=1.2.3.4"}, {kCustomary, "203.0.113.9"}}, "10.0.0.9"},
};

TEST(Forwarded, IsBelievedAsFarAsProxiesAreTrusted) {
    const std::vector<Network> trusted{*parse_network("10.0.0.0/8"),
                                       *parse_network("2001:db8:1::/48")};
    for (const Sent& sent : kSent) {
        Request request;
        std::string shown;
        for (const Field& field : sent.fields) {
            request.fields[request.field_count++] = field;
            shown.append(field.name).append(": ").append(field.value).append("\n");
        }
        const auto client = client_address(request, *parse_address("10.0.0.9"), trusted);
        EXPECT_TRUE(same_address(client, parse_address(sent.client).value_or(in6_addr{}))) << shown;
        // Of a stranger nothing is believed.
        const auto stranger = *parse_address("198.51.100.7");
        EXPECT_TRUE(same_address(client_address(request, stranger, trusted), stranger)) << shown;
    }
}

} // namespace
} // namespace fsrv::http
