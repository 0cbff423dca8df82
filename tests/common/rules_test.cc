// Rules by path: the tables of a configuration file, read and checked.
#include "common/rules.h"

#include "common/options.h"

#include <gtest/gtest.h>

namespace fsrv {
namespace {

Rules rules_of(std::string_view toml) {
    const auto invocation = parse_config(toml, "f.toml");
    EXPECT_TRUE(invocation) << (invocation ? "" : invocation.error().message);
    return invocation ? invocation->options.rules : Rules();
}

struct Refused {
    const char* toml;
    const char* message;
};
constexpr Refused kRefused[] = {
    {"path = 3\n", "f.toml:1: path: expected a table, as [[path]]"},
    {"[path]\nprefix = \"/a\"\n", "f.toml:1: path: expected a table, as [[path]]"},
    {"[[path]]\nallow = []\n", "f.toml:1: [[path]] wants a prefix, such as \"/private/\""},
    {"[[path]]\nprefix = \"a\"\n",
     "f.toml:2: prefix: expected a path that begins with a slash, such as \"/private/\", without . "
     "and .."},
    {"[[path]]\nprefix = \"/a/../b\"\n",
     "f.toml:2: prefix: expected a path that begins with a slash, such as \"/private/\", without . "
     "and .."},
    {"[[path]]\nprefix = \"/-/health\"\n",
     "f.toml:2: prefix: what is below /-/ is the server's own and always open"},
    {"[[path]]\nprefix = \"/a\"\n[[path]]\nprefix = \"//a/\"\n",
     "f.toml:4: prefix: the prefix of another [[path]] too, at f.toml:2"},
    {"[[path]]\nprefix = \"/a\"\nalow = []\n",
     "f.toml:3: \"alow\": no such key; did you mean allow?"},
    {"[[path]]\nprefix = \"/a\"\nallow = \"all\"\n",
     "f.toml:3: allow: expected a list of all, users, user:NAME, group:NAME, signed, cert, "
     "cert:NAME or ip:CIDR"},
    {"[[path]]\nprefix = \"/a\"\nallow = [\"staff\"]\n",
     "f.toml:3: allow: expected all, users, user:NAME, group:NAME, signed, cert, cert:NAME or "
     "ip:CIDR, not \"staff\""},
    {"[[path]]\nprefix = \"/a\"\nrequire = [\"ip:10.0.0.1/8\"]\n",
     "f.toml:3: require: expected all, users, user:NAME, group:NAME, signed, cert, cert:NAME or "
     "ip:CIDR, not \"ip:10.0.0.1/8\" (an address has no bits beyond its prefix)"},
    {"[[path]]\nprefix = \"/a\"\nrate = \"fast\"\n",
     "f.toml:3: rate: expected a size from 0 to 1TiB, such as 65536, 64KiB or 1M"},
    {"[[path]]\nprefix = \"/a\"\nheaders = { Vary = \"x\" }\n",
     "f.toml:3: headers: Vary is a field that fsrv makes itself"},
    {"[[path]]\nprefix = \"/a\"\nheaders = { Cache-Control = \"x\" }\n",
     "f.toml:3: headers: Cache-Control has a key of its own: cache-control"},
    {"[[path]]\nprefix = \"/a\"\nheaders = { \"X Y\" = \"x\" }\n",
     "f.toml:3: headers: \"X Y\" is no name of a field"},
    {"[[path]]\nprefix = \"/a\"\nheaders = { X = \"a\\r\\nb\" }\n",
     "f.toml:3: headers: the value of X has to be printable ASCII"},
    {"[[path]]\nprefix = \"/a\"\ntypes = { foo = \"a/b\" }\n",
     "f.toml:3: types: \"foo\" is no ending such as \".foo\""},
    {"[[path]]\nprefix = \"/a\"\nindex = \"a/b\"\n",
     "f.toml:3: index: expected the name of a file, without a slash"},
    {"[[path]]\nprefix = \"/a\"\nhidden = \"maybe\"\n", "f.toml:3: hidden: expected on or off"},
    {"[[path]]\nprefix = \"/a\"\npermissions = \"owner\"\n",
     "f.toml:3: permissions: expected worker, world or user"},
    {"[[path]]\nprefix = \"/a\"\npermissions = \"user\"\n",
     "f.toml:1: [[path]]: permissions = \"user\" with allow = [\"all\"]: who has not logged in has "
     "no "
     "account; allow = [\"users\"] lets in all who have"},
    {"[[path]]\nprefix = \"/a\"\nsymlinks = \"follow\"\n[[path]]\nprefix = \"/a/b\"\npermissions = "
     "\"world\"\n",
     "f.toml:4: [[path]]: permissions = \"world\" with symlinks = \"follow\": it is judged below "
     "the root "
     "only; symlinks = \"inside\" stays there"},
    {"[[path]]\nprefix = \"/a\"\nsymlinks = \"some\"\n",
     "f.toml:3: symlinks: expected inside, never or follow"},
    {"[[login]]\nname = \"ann\"\n", "f.toml:1: [[login]] wants a password"},
    {"[[login]]\npassword = \"$y$\"\n", "f.toml:1: [[login]] wants a name"},
    {"[[login]]\nname = \"a:b\"\npassword = \"$y$\"\n",
     "f.toml:2: name: the name of a user has no colon (RFC 7617)"},
    {"[[login]]\nname = \"a\"\npassword = \"x\"\n[[login]]\nname = \"a\"\npassword = \"y\"\n",
     "f.toml:5: name: the name of another [[login]] too, at f.toml:1"},
    {"[[token]]\nname = \"ci\"\nsha256 = \"12\"\n",
     "f.toml:3: sha256: expected the SHA-256 of a token: 64 hexadecimal digits, as from: printf %s "
     "TOKEN | sha256sum"},
};

TEST(Rules, TellWhatIsWrongAndWhere) {
    for (const Refused& row : kRefused) {
        const auto invocation = parse_config(row.toml, "f.toml");
        ASSERT_FALSE(invocation) << row.toml;
        EXPECT_EQ(invocation.error().message, row.message) << row.toml;
    }
}

TEST(Rules, HaveWhatTheyDoNotSayFromTheNextShorterPrefixAndAtLastFromTheOptions) {
    const Rules rules =
        rules_of("index = \"home.html\"\n"
                 "listing = false\n"
                 "[[path]]\nprefix = \"/a/b/c\"\nhidden = \"on\"\n"
                 "[[path]]\nprefix = \"/a\"\nallow = [\"users\"]\nlisting = \"on\"\n"
                 "[[path]]\nprefix = \"/ab\"\n"
                 "[[path]]\nprefix = \"/a/b\"\nallow = []\n");
    ASSERT_EQ(rules.paths.size(), 4U);
    EXPECT_EQ(rules.paths[0].prefix, "a") << "shorter ones first";
    const PathRule& longest = rules.paths[3];
    EXPECT_EQ(longest.prefix, "a/b/c");
    EXPECT_TRUE(longest.settings.hidden);
    EXPECT_TRUE(longest.settings.listing) << "as /a has it";
    EXPECT_TRUE(longest.settings.allow.empty()) << "as /a/b has it";
    EXPECT_EQ(longest.settings.index, "home.html");
    const PathRule& other = rules.paths[1];
    EXPECT_EQ(other.prefix, "ab");
    EXPECT_EQ(other.settings.allow.size(), 1U) << "/a does not cover it";
    EXPECT_FALSE(other.settings.listing);
}

TEST(Rules, TablesOfALongerPrefixReplaceTheShorterOnes) {
    const Rules rules = rules_of("[[path]]\nprefix = \"/\"\nheaders = { A = \"1\", B = \"2\" }\n"
                                 "[[path]]\nprefix = \"/x\"\nheaders = { C = \"3\" }\n");
    ASSERT_EQ(rules.paths.size(), 2U);
    EXPECT_EQ(rules.paths[0].settings.headers.size(), 2U);
    ASSERT_EQ(rules.paths[1].settings.headers.size(), 1U);
    EXPECT_EQ(rules.paths[1].settings.headers.front().first, "C");
}

TEST(Rules, NamesThatNobodyCanProveAreTold) {
    const Rules rules = rules_of("[[path]]\nprefix = \"/a\"\nallow = [\"user:ann\", \"group:x\"]\n"
                                 "[[login]]\nname = \"ann\"\npassword = \"$y$\"\n");
    const auto nobody = [](std::string_view) { return false; };
    const auto wrong = check_names(rules, nobody, nobody);
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().message,
              "f.toml:1: [[path]]: nobody is in the group \"x\": there is no "
              "[[login]] or [[token]] with it");
    EXPECT_TRUE(check_names(rules, nobody, [](std::string_view name) { return name == "x"; }));
}

TEST(Rules, AreShownWithoutWhatIsSecret) {
    const auto invocation = parse_config("[[path]]\nprefix = \"/a\"\nallow = [\"user:ann\"]\n"
                                         "headers = { X-Y = \"q\\\"\" }\n"
                                         "[[login]]\nname = \"ann\"\npassword = \"$y$hush\"\n",
                                         "f.toml");
    ASSERT_TRUE(invocation);
    EXPECT_NE(invocation->output.find("[[path]]  # f.toml:1\nprefix = \"/a\"\nallow = "
                                      "[\"user:ann\"]\nheaders = { X-Y = \"q\\\"\" }\n"),
              std::string::npos)
        << invocation->output;
    EXPECT_EQ(invocation->output.find("hush"), std::string::npos);
}

} // namespace
} // namespace fsrv
