#include "supervisor/start/start_warnings.h"

#include <gtest/gtest.h>

namespace fsrv {
namespace {

Options with_admin(std::string place) {
    Options o;
    o.user = "nobody";
    o.admin = std::move(place);
    return o;
}

TEST(StartWarnings, RootIsToSayThatItIsMeant) {
    Options o;
    EXPECT_EQ(start_warnings(o, true, 0).size(), 1U);
    EXPECT_TRUE(start_warnings(o, false, 0).empty());
    o.user = "root";
    EXPECT_TRUE(start_warnings(o, true, 0).empty());
}

TEST(StartWarnings, TheAdminAddressIsForThisMachine) {
    for (const char* place : {"", "127.0.0.1:9090", "127.1.2.3:0", "[::1]:9090", "localhost:9090",
                              "unix:/run/admin.sock", "unix:relative"})
        EXPECT_TRUE(start_warnings(with_admin(place), true, 0).empty()) << place;
    for (const char* place : {"0.0.0.0:9090", "[::]:9090", "10.0.0.1:9090", "[fd00::1]:9090",
                              "example.org:80", "128.0.0.1:1"})
        EXPECT_EQ(start_warnings(with_admin(place), true, 0).size(), 1U) << place;
}

TEST(StartWarnings, WhoIsTrustedToSayWhereClientsAreIsFew) {
    Options o;
    o.unix_path = "/run/fsrv.sock";
    o.trusted_proxies = {Network{.unix_sockets = true}};
    EXPECT_EQ(start_warnings(o, false, 0666).size(), 1U);
    EXPECT_TRUE(start_warnings(o, false, 0660).empty());
    o.unix_path.clear();
    EXPECT_TRUE(start_warnings(o, false, 0666).empty());
    o.unix_path = "/run/fsrv.sock";
    o.trusted_proxies = {Network{}};
    EXPECT_TRUE(start_warnings(o, false, 0666).empty());
}

TEST(StartWarnings, PasswordsAreNotSentInClear) {
    Options options;
    options.user = "nobody";
    EXPECT_TRUE(start_warnings(options, true, 0660).empty());
    options.users = "/etc/fsrv/users";
    ASSERT_EQ(start_warnings(options, true, 0660).size(), 1U);
    EXPECT_TRUE(start_warnings(options, true, 0660).front().starts_with("passwords cross"));
    options.host = {"127.0.0.1", "::1"};
    EXPECT_TRUE(start_warnings(options, true, 0660).empty()) << "nobody is on the way";
    options.host = {"127.0.0.1", "192.0.2.1"};
    EXPECT_EQ(start_warnings(options, true, 0660).size(), 1U);
    options.tls_certs = {"auto"};
    EXPECT_TRUE(start_warnings(options, true, 0660).empty());
}

} // namespace
} // namespace fsrv
