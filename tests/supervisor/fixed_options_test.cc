#include "supervisor/fixed_options.h"

#include <gtest/gtest.h>

namespace fsrv {
namespace {

Options running() {
    Options options;
    options.workers = {.least = 2, .most = 4};
    return options;
}

TEST(FixedOptions, WhatIsMadeOnceIsRefusedByName) {
    const std::pair<const char*, void (*)(Options&)> table[] = {
        {"host", [](Options& o) { o.host = {"::1"}; }},
        {"port", [](Options& o) { o.port = 1; }},
        {"redirect-port", [](Options& o) { o.redirect_port = 1; }},
        {"unix", [](Options& o) { o.unix_path = "/x"; }},
        {"unix-mode", [](Options& o) { o.unix_mode = 0600; }},
        {"user", [](Options& o) { o.user = "x"; }},
        {"group", [](Options& o) { o.group = "x"; }},
        {"pid-file", [](Options& o) { o.pid_file = "/x"; }},
        {"control", [](Options& o) { o.control = "/x"; }},
        {"workers", [](Options& o) { o.workers = {.least = 1, .most = 5}; }},
    };
    for (const auto& [name, change] : table) {
        Options wanted = running();
        change(wanted);
        const auto why = why_not_changeable(running(), wanted, 4);
        ASSERT_TRUE(why) << name;
        EXPECT_TRUE(why->starts_with(name)) << *why;
        EXPECT_NE(why->find("restart or an upgrade"), std::string::npos) << *why;
    }
}

TEST(FixedOptions, TheRestMayChange) {
    Options wanted = running();
    EXPECT_EQ(why_not_changeable(running(), wanted, 4), std::nullopt);
    wanted.workers = {.least = 1, .most = 3};
    wanted.root = "/elsewhere";
    wanted.access_log = "off";
    wanted.grace = Millis(1);
    wanted.log_level = LogLevel::debug;
    wanted.tls_certs = {"cert.pem"};
    wanted.tls_min = TlsVersion::tls_1_3;
    EXPECT_EQ(why_not_changeable(running(), wanted, 4), std::nullopt);
    wanted.workers = {.least = 64, .most = 64, .automatic = true};
    EXPECT_EQ(why_not_changeable(running(), wanted, 4), std::nullopt) << "more CPUs than at start";
}

} // namespace
} // namespace fsrv
