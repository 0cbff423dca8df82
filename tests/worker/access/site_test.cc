// Site: the rule of a path, and who is let in.
#include "worker/access/site.h"

#include "common/options.h"

#include <chrono>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace fsrv::access {
namespace {

Options options_of(std::string_view toml) {
    const auto invocation = parse_config(toml, "f.toml");
    EXPECT_TRUE(invocation) << (invocation ? "" : invocation.error().message);
    return invocation ? invocation->options : Options();
}

Who who(std::string_view user, std::vector<std::string> groups = {},
        std::string_view address = "192.0.2.1") {
    Who who;
    who.address = *parse_address(address);
    who.user = user;
    who.groups = std::move(groups);
    return who;
}

constexpr std::string_view kSite = R"(
[[path]]
prefix = "/private"
allow = ["group:staff", "user:bob", "signed"]
[[path]]
prefix = "/private/public"
allow = ["all"]
[[path]]
prefix = "/private/nobody"
allow = []
[[path]]
prefix = "/users"
allow = ["users"]
[[path]]
prefix = "/office"
allow = ["all"]
require = ["ip:10.0.0.0/8"]
[[path]]
prefix = "/both"
allow = ["group:staff"]
require = ["ip:10.0.0.0/8", "users"]
[[path]]
prefix = "/machines"
allow = ["cert:m1", "cert:m2"]
[[path]]
prefix = "/anycert"
allow = ["cert", "users"]
[[path]]
prefix = "/linked"
allow = ["signed"]
[[path]]
prefix = "/near"
allow = ["ip:2001:db8::/32", "ip:192.0.2.0/24"]
)";

// Who is who in the table.
enum class Asker { anybody, ann, bob, eve, here, staff_here, link, machine, cert, v6 };
Who who_of(Asker asker) {
    switch (asker) {
    case Asker::anybody: return who("", {}, "198.51.100.1");
    case Asker::ann: return who("ann", {"staff", "more"}, "198.51.100.1");
    case Asker::bob: return who("bob", {}, "198.51.100.1");
    case Asker::eve: return who("eve", {"others"}, "198.51.100.1");
    case Asker::here: return who("", {}, "10.1.2.3");
    case Asker::staff_here: return who("ann", {"staff"}, "10.1.2.3");
    case Asker::v6: return who("", {}, "2001:db8::1");
    default: break;
    }
    Who other = who("", {}, "198.51.100.1");
    other.has_link = asker == Asker::link;
    other.has_certificate = asker != Asker::link;
    if (asker == Asker::machine) other.certificate_names = {"other", "m2"};
    return other;
}

struct Row {
    const char* path;
    const char* verdicts; // of the askers in their order: + allowed, ? unproven, - refused
};
constexpr Row kRows[] = {
    {"", "++++++++++"},
    {"a", "++++++++++"},
    {"privat", "++++++++++"},
    {"privately", "++++++++++"},
    {"private.txt", "++++++++++"},
    {"Private", "++++++++++"}, // another name, where the file system says so
    {"private", "?++-?++???"},
    {"private/a", "?++-?++???"},
    {"private/a/b/c", "?++-?++???"},
    {"private/publi", "?++-?++???"},
    {"private/public", "++++++++++"},
    {"private/public/x", "++++++++++"},
    {"private/publicly", "?++-?++???"},
    {"private/nobody", "----------"},
    {"private/nobody/x", "----------"},
    {"users", "?+++?+????"},
    {"users/x", "?+++?+????"},
    {"office", "----++----"},
    {"both", "----?+----"},
    {"machines", "-------+--"},
    {"anycert", "?+++?+?++?"},
    {"linked", "------+---"},
    {"near", "---------+"},
    {"near/x", "---------+"},
};

TEST(Site, LetsInWhomItsRulesSay) {
    const Options options = options_of(kSite);
    const Site site(options);
    for (const Row& row : kRows) {
        const Rule& rule = site.rule_of(row.path);
        for (int i = 0; row.verdicts[i] != '\0'; ++i) {
            const Verdict verdict = decide(rule, who_of(static_cast<Asker>(i)));
            const char shown = verdict == Verdict::allowed    ? '+'
                               : verdict == Verdict::unproven ? '?'
                                                              : '-';
            EXPECT_EQ(shown, row.verdicts[i]) << row.path << " asker " << i;
        }
    }
}

TEST(Site, KnowsWhatIsOpenAndWhatHasRulesBelow) {
    const Site site(options_of(kSite));
    EXPECT_TRUE(site.has_rules());
    EXPECT_TRUE(site.rule_of("").open);
    EXPECT_TRUE(site.rule_of("private/public/x").open);
    EXPECT_FALSE(site.rule_of("private").open);
    EXPECT_FALSE(site.rule_of("office").open) << "not from everywhere";
    EXPECT_TRUE(site.has_rules_below(""));
    EXPECT_TRUE(site.has_rules_below("private"));
    EXPECT_FALSE(site.has_rules_below("private/public"));
    EXPECT_FALSE(site.has_rules_below("pub"));
    EXPECT_FALSE(Site(Options()).has_rules());
}

TEST(Site, ARuleForTheRootIsForAll) {
    const Site site(options_of("[[path]]\nprefix = \"/\"\nallow = [\"users\"]\n"));
    EXPECT_TRUE(site.has_rules());
    EXPECT_EQ(decide(site.rule_of(""), who("")), Verdict::unproven);
    EXPECT_EQ(decide(site.rule_of("a/b"), who("")), Verdict::unproven);
    EXPECT_EQ(decide(site.rule_of("a/b"), who("ann")), Verdict::allowed);
}

struct Fields {
    const char* rule;
    const char* lines;
};
constexpr Fields kFields[] = {
    {"", ""},
    {"allow = [\"users\"]", "Cache-Control: private\r\nVary: Authorization\r\n"},
    {"cache-control = \"public, max-age=60\"", "Cache-Control: public, max-age=60\r\n"},
    {"cache-control = \"public, max-age=60, s-maxage=9\"\nallow = [\"users\"]",
     "Cache-Control: private, max-age=60\r\nVary: Authorization\r\n"},
    {"cache-control = \"Public\"\nallow = [\"users\"]",
     "Cache-Control: private\r\nVary: Authorization\r\n"},
    {"cache-control = \"no-store\"\nallow = [\"users\"]",
     "Cache-Control: no-store\r\nVary: Authorization\r\n"},
    {"cache-control = \"private, max-age=5\"\nallow = [\"users\"]",
     "Cache-Control: private, max-age=5\r\nVary: Authorization\r\n"},
};

TEST(Site, WhatIsNotForEverybodyIsKeptByNoSharedCache) {
    for (const Fields& row : kFields) {
        const Options options =
            options_of(fmt::format("[[path]]\nprefix = \"/a\"\n{}\n", row.rule));
        EXPECT_EQ(Site(options).rule_of("a/b").cache_fields, row.lines) << row.rule;
    }
}

TEST(Site, AnswersFastHoweverManyRulesThereAre) {
    std::string toml;
    for (int i = 0; i < 2'000; ++i)
        toml += fmt::format("[[path]]\nprefix = \"/t{0}/a/b\"\nallow = [\"group:g{0}\"]\n", i);
    const Site site(options_of(toml));
    const Who ann = who("ann", {"g1999"});
    constexpr int kTimes = 100'000;
    int allowed = 0;
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < kTimes; ++i)
        allowed += decide(site.rule_of("t1999/a/b/some/file.bin"), ann) == Verdict::allowed ? 1 : 0;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    EXPECT_EQ(allowed, kTimes);
    RecordProperty("decisions_per_second", static_cast<int>(kTimes / took.count()));
}

} // namespace
} // namespace fsrv::access
