#include "supervisor/sockets/addresses.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

namespace fsrv {
namespace {

std::vector<std::string> texts(const std::vector<std::string>& hosts) {
    const auto found = resolve_hosts(hosts);
    if (!found) return {"refused: " + std::to_string(found.error().exit_status)};
    std::vector<std::string> result;
    for (const Address& address : *found) result.push_back(address_text(address));
    return result;
}

using List = std::vector<std::string>;

TEST(Addresses, HostsBecomeAddressesInTheirOrderEachOnce) {
    const std::pair<List, List> table[] = {
        {{}, {"::", "0.0.0.0"}},
        {{"127.0.0.1"}, {"127.0.0.1"}},
        {{"::1"}, {"::1"}},
        {{"[::1]"}, {"::1"}},
        {{"::1", "127.0.0.1", "[::1]", "127.0.0.1"}, {"::1", "127.0.0.1"}},
        {{"0:0:0::1"}, {"::1"}},
        {{"fe80::1%lo"}, {"fe80::1%lo"}},
        {{"0.0.0.0"}, {"0.0.0.0"}},
        {{"127.0.0.1", "0.0.0.0", "::1"}, {"0.0.0.0", "::1"}},
        {{"::", "::1", "127.0.0.1"}, {"::", "127.0.0.1"}},
        {{"127.0.0.2", "127.0.0.1"}, {"127.0.0.2", "127.0.0.1"}},
    };
    for (const auto& [hosts, expected] : table)
        EXPECT_EQ(texts(hosts), expected) << testing::PrintToString(hosts);
}

TEST(Addresses, WhatIsNoAddressIsRefusedWithItsName) {
    for (const char* host :
         {"", "[]", "[::1", "127.0.0.1:8080", "[::1]:8080", "1.2.3.4.5", "name.invalid", "a b"}) {
        const auto found = resolve_hosts(List{host});
        ASSERT_FALSE(found) << host;
        EXPECT_EQ(found.error().exit_status, kExitBind);
        EXPECT_NE(found.error().message.find('"' + std::string(host) + '"'), std::string::npos)
            << found.error().message;
    }
}

TEST(Addresses, WhatCanBeNoAddressIsKnownWithoutALookUp) {
    for (const char* host : {"", "[]", "[::1", "127.0.0.1:8080", "[::1]:8080", "1.2.3.4.5",
                             "256.0.0.1", "name:80", "a b", "http://name", "10.0.0.0/8", "1:2"}) {
        const auto checked = check_hosts(List{"::1", host});
        ASSERT_FALSE(checked) << host;
        EXPECT_EQ(checked.error().exit_status, kExitUsage);
        EXPECT_EQ(checked.error().option, "host");
        EXPECT_NE(checked.error().message.find('"' + std::string(host) + '"'), std::string::npos)
            << checked.error().message;
    }
    const auto fine = check_hosts(List{"127.0.0.1", "::1", "[::1]", "fe80::1%none0", "localhost",
                                       "name.invalid", "a_b-c.example.", "192.0.2.1.example", "0"});
    EXPECT_TRUE(fine) << fine.error().message;
    EXPECT_TRUE(check_hosts({}));
}

TEST(Addresses, OnlyWhatWasMeantToBeOneOfSeveralIsOptional) {
    const auto all = resolve_hosts({});
    for (const Address& address : *all) EXPECT_TRUE(address.optional);
    const auto named = resolve_hosts(List{"127.0.0.1", "::1"});
    for (const Address& address : *named) EXPECT_FALSE(address.optional);
}

TEST(Addresses, UrlsAreForAPersonToClick) {
    const auto one = [](const char* host) { return resolve_hosts(List{host})->front(); };
    const std::vector<Address> machine{one("192.0.2.7"), one("198.51.100.9"), one("2001:db8::7")};
    struct Row {
        List hosts;
        List urls;
    };
    const Row table[] = {
        {{},
         {"http://localhost:8080/", "http://[2001:db8::7]:8080/", "http://192.0.2.7:8080/",
          "http://198.51.100.9:8080/"}},
        {{"0.0.0.0"},
         {"http://localhost:8080/", "http://192.0.2.7:8080/", "http://198.51.100.9:8080/"}},
        {{"::"}, {"http://localhost:8080/", "http://[2001:db8::7]:8080/"}},
        {{"127.0.0.1"}, {"http://127.0.0.1:8080/"}},
        {{"::1", "127.0.0.1"}, {"http://[::1]:8080/", "http://127.0.0.1:8080/"}},
        {{"fe80::1%lo"}, {"http://[fe80::1%25lo]:8080/"}},
    };
    for (const Row& row : table) {
        std::vector<Address> bound = *resolve_hosts(row.hosts);
        for (Address& address : bound) address.set_port(8080);
        EXPECT_EQ(urls_to_show(bound, machine), row.urls) << testing::PrintToString(row.hosts);
    }
}

TEST(Addresses, EachUrlHasThePortOfItsAddress) {
    std::vector<Address> bound = *resolve_hosts(List{"127.0.0.1", "::1"});
    bound[0].set_port(80);
    bound[1].set_port(8080);
    bound.push_back(any_ipv4(8081));
    const std::vector<Address> machine{resolve_hosts(List{"192.0.2.7"})->front()};
    EXPECT_TRUE(
        urls_to_show(bound, machine, "https").front().starts_with("https://localhost:8081"));
    EXPECT_EQ(urls_to_show(bound, machine), (List{"http://localhost:8081/", "http://127.0.0.1:80/",
                                                  "http://[::1]:8080/", "http://192.0.2.7:8081/"}));
}

TEST(Addresses, AnAddressIsTheSameWithItsPortOnly) {
    Address one = resolve_hosts(List{"127.0.0.1"})->front(), other = one;
    EXPECT_TRUE(same_address(one, other));
    other.set_port(80);
    EXPECT_FALSE(same_address(one, other));
    EXPECT_FALSE(same_address(one, resolve_hosts(List{"127.0.0.2"})->front()));
    EXPECT_FALSE(same_address(one, resolve_hosts(List{"::1"})->front()));
}

TEST(Addresses, TheMachinesOwnAreNeverLoopback) {
    for (const Address& address : machine_addresses()) {
        const std::string text = address_text(address);
        EXPECT_FALSE(text.starts_with("127.")) << text;
        EXPECT_NE(text, "::1");
        EXPECT_FALSE(address.is_any());
    }
}

} // namespace
} // namespace fsrv
