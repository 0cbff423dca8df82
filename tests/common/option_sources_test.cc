// What is special to the command line, to the environment and to the file.
#include "common/options.h"
#include "tests/common/invocation.h"
#include "tests/support/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace fsrv {
namespace {

using test::invoke;
using test::refusal;
using Arguments = std::vector<std::string>;
using Hosts = std::vector<std::string>;
using namespace std::string_literals;

struct Refused {
    Arguments arguments;
    std::string message;
};

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
    const Refused cases[] = {
        {{"--prot", "80"}, "--prot: no such option; did you mean --port?"},
        {{"--Port=80"}, "--Port: no such option; did you mean --port?"},
        {{"--header_timeout", "1s"},
         "--header_timeout: no such option; did you mean --header-timeout?"},
        {{"--dump"}, "--dump: no such option; see fsrv --help"},
        {{"--", "a", "--check"}, "\"--check\": expected no more than one folder"},
        {{"--chek"}, "--chek: no such option; did you mean --check?"},
        {{"--xyzzyxyzzy"}, "--xyzzyxyzzy: no such option; see fsrv --help"},
        {{"-p", "80"}, "-p: no such option; see fsrv --help"},
        {{"-p80"}, "-p80: no such option; see fsrv --help"},
        {{"--\x1b[2J"}, "--\\x1b[2J: no such option; see fsrv --help"},
        {{"--" + std::string(5000, 'x')},
         "--" + std::string(98, 'x') + "...: no such option; see fsrv --help"},
        {{"a", "b"}, "\"b\": expected no more than one folder"},
        {{"--", "a", "b"}, "\"b\": expected no more than one folder"},
        {{"--port"}, "--port: expected a value after it"},
        {{"--config"}, "--config: expected a value after it"},
        {{"/srv", "--port"}, "--port: expected a value after it"},
        {{"--port="}, "--port: expected a number from 0 to 65535, not \"\""},
        {{"--port=", "80"}, "--port: expected a number from 0 to 65535, not \"\""},
        {{"--check=yes"}, "--check: expected no value"},
        {{"--check=false"}, "--check: expected no value"},
        {{"--dump-config=x"}, "--dump-config: expected no value"},
        {{""}, "DIR: expected the path of a folder, not \"\""},
        {{"--host", ""}, "--host: expected addresses, none of them empty, not \"\""},
        {{"a", "--root", "b"}, "--root: expected the same folder as the argument \"a\", not \"b\""},
        {{"--root", "b", "a"}, "--root: expected the same folder as the argument \"a\", not \"b\""},
    };
    for (const Refused& c : cases) EXPECT_EQ(refusal(invoke(c.arguments)), c.message);
}

TEST(CommandLine, AFolderMayStandAnywhere) {
    struct Case {
        Arguments arguments;
        std::string root;
    };
    const Case cases[] = {
        {{"/srv"}, "/srv"},
        {{"--port", "80", "/srv"}, "/srv"},
        {{"/srv", "--port", "80"}, "/srv"},
        {{"--root", "/srv"}, "/srv"},
        {{"--root", "/srv", "/srv"}, "/srv"},
        {{"--check", "/srv"}, "/srv"},
        {{"--", "/srv"}, "/srv"},
        {{"--", "--port"}, "--port"},
        {{"--", "--"}, "--"},
        {{"--", "--port=80"}, "--port=80"},
        {{"[a,b]"}, "[a,b]"},
        {{"a=b"}, "a=b"},
        {{"-"}, "-"},
    };
    for (const Case& c : cases) {
        const auto result = invoke(c.arguments);
        ASSERT_TRUE(result) << refusal(result);
        EXPECT_EQ(result->options.root, c.root);
    }
}

TEST(CommandLine, TheLastOfARepeatedFlagCounts) {
    const auto result = invoke({"--port", "1", "--port=2", "--index", "a", "--index="});
    ASSERT_TRUE(result) << refusal(result);
    EXPECT_EQ(result->options.port, 2);
    EXPECT_EQ(result->options.index, "");
}

TEST(CommandLine, ARepeatedHostIsAList) {
    EXPECT_EQ(invoke({"--host", "::1", "--host=[::1]", "--host", "a,b"})->options.host,
              (Hosts{"::1", "[::1]", "a,b"}));
}

TEST(CommandLine, AFlagTakesWhateverFollows) {
    EXPECT_EQ(invoke({"--index", "--port="})->options.index, "--port=");
    EXPECT_EQ(invoke({"--index", "--"})->options.index, "--");
    EXPECT_EQ(invoke({"--access-log", "-"})->options.access_log, "-");
    EXPECT_EQ(invoke({"--index", "[a]"})->options.index, "[a]");
    EXPECT_EQ(invoke({"--index==a"})->options.index, "=a");
}

TEST(CommandLine, SaysWhatItAsksFor) {
    struct Case {
        Arguments arguments;
        Action action;
    };
    const Case cases[] = {
        {{}, Action::serve},
        {{"--check"}, Action::check},
        {{"--check", "--check"}, Action::check},
        {{"--dump-config"}, Action::dump_config},
        {{"--dump-config", "--check"}, Action::dump_config},
        {{"--sign", "/a"}, Action::sign},
        {{"--hash-password"}, Action::hash_password},
        {{"--hash-password", "ann"}, Action::hash_password},
        {{"--help"}, Action::print_and_exit},
        {{"-h"}, Action::print_and_exit},
        {{"--version"}, Action::print_and_exit},
    };
    for (const Case& c : cases) EXPECT_EQ(invoke(c.arguments)->action, c.action);
}

TEST(CommandLine, ALinkHasTerms) {
    const LinkOrder plain = invoke({"--sign", "/a"})->link;
    EXPECT_EQ(plain.url, "/a");
    EXPECT_EQ(plain.expires, std::chrono::hours(24));
    EXPECT_EQ(plain.resume, std::chrono::hours(24));
    EXPECT_FALSE(plain.prefix);
    const LinkOrder full =
        invoke({"--prefix", "--expires", "2h", "--resume=0", "--client", "192.0.2.0/24", "--uses",
                "3", "--sign", "https://x/a?b=c", "--attachment", "a b"})
            ->link;
    EXPECT_EQ(full.url, "https://x/a?b=c");
    EXPECT_EQ(full.expires, std::chrono::hours(2));
    EXPECT_EQ(full.resume, Millis(0));
    EXPECT_TRUE(full.prefix);
    EXPECT_EQ(full.client, "192.0.2.0/24");
    EXPECT_EQ(full.uses, 3U);
    EXPECT_EQ(full.attachment, "a b");

    const std::pair<Arguments, const char*> refused[] = {
        {{"--expires", "2h"}, "--expires: is of a link: wants --sign URL"},
        {{"--prefix"}, "--prefix: is of a link: wants --sign URL"},
        {{"--sign", "/a", "--expires", "0"}, "--expires: expected a time from 1s to"},
        {{"--sign", "/a", "--expires", "soon"}, "--expires: expected a time from 1s to"},
        {{"--sign", "/a", "--uses", "0"}, "--uses: expected a number from 1 to"},
        {{"--sign", "/a", "--client", "unix"}, "--client: expected a network such as"},
        {{"--sign", "/a", "--client", "192.0.2.0/33"}, "--client: expected a network such as"},
        {{"--sign", "/a", "--attachment", "a/b"}, "--attachment: expected a name"},
        {{"--sign", "/a", "--attachment", ""}, "--attachment: expected a name"},
        {{"--sign", "/a", "--prefix=yes"}, "--prefix: expected no value"},
        {{"--hash-password=ann"}, "--hash-password: expected no value"},
        {{"--sign"}, "--sign: expected a value after it"},
    };
    for (const auto& [arguments, why] : refused)
        EXPECT_TRUE(refusal(invoke(arguments)).starts_with(why)) << refusal(invoke(arguments));
}

TEST(CommandLine, TheNameOfWhosePasswordIsHashedIsNoFolder) {
    const auto named = invoke({"--hash-password", "ann"});
    EXPECT_EQ(named->command, "ann");
    EXPECT_EQ(named->options.root, ".");
    EXPECT_EQ(invoke({"--hash-password"})->command, "");
}

TEST(CommandLine, HelpAndVersionComeBeforeAnyComplaint) {
    for (const std::string flag : {"--help", "-h", "--help-all", "--version"}) {
        for (const Arguments& rest :
             {Arguments{"--prot"}, {"--port", "x"}, {"a", "b"}, {"--port"}}) {
            Arguments arguments{flag};
            arguments.insert(arguments.end(), rest.begin(), rest.end());
            const auto result = invoke(arguments, {"FSRV_NONSENSE=1", "FSRV_CONFIG=/nowhere"});
            ASSERT_TRUE(result) << refusal(result);
            EXPECT_EQ(result->action, Action::print_and_exit);
        }
    }
    EXPECT_EQ(invoke({"--version"})->output, "fsrv " FSRV_VERSION "\n");
}

TEST(Environment, RefusesWhatItDoesNotKnow) {
    struct Case {
        std::string variable;
        std::string message;
    };
    const Case cases[] = {
        {"FSRV_PROT=80", "FSRV_PROT: no such variable; did you mean FSRV_PORT?"},
        {"FSRV_HEADER-TIMEOUT=1s",
         "FSRV_HEADER-TIMEOUT: no such variable; did you mean FSRV_HEADER_TIMEOUT?"},
        {"FSRV_port=80", "FSRV_port: no such variable; did you mean FSRV_PORT?"},
        {"FSRV_CHECK=1", "FSRV_CHECK: no such variable; see fsrv --help"},
        {"FSRV_=1", "FSRV_: no such variable; see fsrv --help"},
        {"FSRV_PORT=", "FSRV_PORT: expected a number from 0 to 65535, not \"\""},
        {"FSRV_HOST=a,,b", "FSRV_HOST: expected addresses, none of them empty, not \"a,,b\""},
        {"FSRV_HOST=,", "FSRV_HOST: expected addresses, none of them empty, not \",\""},
        {"FSRV_CONFIG=", "FSRV_CONFIG: \"\": No such file or directory (ENOENT)"},
    };
    for (const Case& c : cases) EXPECT_EQ(refusal(invoke({}, {c.variable})), c.message);
}

// The variables of a pod beside a Service called fsrv, of one called fsrv-admin, of containers that
// are linked, of an image: each with the setter that the warning names.
TEST(Environment, PassesOverWhatOthersSet) {
    struct Case {
        std::string variable;
        std::string setter;
    };
    const Case cases[] = {
        {"FSRV_SERVICE_HOST=10.0.0.1", "Kubernetes"},
        {"FSRV_SERVICE_PORT=8080", "Kubernetes"},
        {"FSRV_SERVICE_PORT_HTTP=8080", "Kubernetes"},
        {"FSRV_PORT=tcp://10.0.0.1:8080", "Kubernetes"},
        {"FSRV_PORT=udp://[fd00::1]:53", "Kubernetes"},
        {"FSRV_PORT_8080_TCP=tcp://10.0.0.1:8080", "Kubernetes"},
        {"FSRV_PORT_8080_TCP_PROTO=tcp", "Kubernetes"},
        {"FSRV_PORT_8080_TCP_PORT=8080", "Kubernetes"},
        {"FSRV_PORT_8080_TCP_ADDR=10.0.0.1", "Kubernetes"},
        {"FSRV_PORT_53_UDP=udp://10.0.0.1:53", "Kubernetes"},
        {"FSRV_PORT_53_SCTP_ADDR=10.0.0.1", "Kubernetes"},
        {"FSRV_PORT_8080_TCP_START=tcp://10.0.0.1:8080", "Kubernetes"},
        {"FSRV_PORT_8080_TCP_PORT_END=8090", "Kubernetes"},
        {"FSRV_ADMIN_SERVICE_HOST=10.0.0.1", "Kubernetes"},
        {"FSRV_ADMIN_SERVICE_PORT=9090", "Kubernetes"},
        {"FSRV_ADMIN_PORT=tcp://10.0.0.1:9090", "Kubernetes"},
        {"FSRV_ADMIN_PORT_9090_TCP=tcp://10.0.0.1:9090", "Kubernetes"},
        {"FSRV_NAME=/web/fsrv", "Docker"},
        {"FSRV_ENV_PATH=/bin", "Docker"},
        {"FSRV_1_PORT_80_TCP_ADDR=172.17.0.5", "Docker"},
        {"FSRV_1_ENV_PATH=/bin", "Docker"},
        {"FSRV_VERSION=0.1.0", "the image"},
        {"FSRV_SHA256=ab", "the image"},
        {"FSRV_DOWNLOAD_URL=https://example.org/fsrv.tar.gz", "the image"},
    };
    Arguments all;
    for (const Case& c : cases) {
        const auto result = invoke({}, {c.variable, "FSRV_THREADS=2"});
        const std::string name = c.variable.substr(0, c.variable.find('='));
        ASSERT_TRUE(result) << refusal(result);
        EXPECT_EQ(result->options.port, 8080);
        EXPECT_EQ(result->options.threads, 2U);
        ASSERT_EQ(result->warnings.size(), 1U) << name;
        EXPECT_NE(result->warnings[0].find(name + " passed over: "), std::string::npos)
            << result->warnings[0];
        EXPECT_NE(result->warnings[0].find(c.setter), std::string::npos) << result->warnings[0];
        all.push_back(c.variable);
    }
    const auto result = invoke({}, all);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->warnings.size(), 2U) << "a line a setter";
    EXPECT_NE(result->warnings[0].find(" and 9 more passed over"), std::string::npos)
        << result->warnings[0];
    EXPECT_TRUE(invoke({}, {"FSRV_THREADS=2"})->warnings.empty());
}

TEST(Environment, WhatOnlyLooksLikeOthersIsRefusedAsEver) {
    const char* const cases[] = {
        "FSRV_PORT=tcp:80",
        "FSRV_PORT=8080/tcp",
        "FSRV_PROT=tcp://10.0.0.1:8080",
        "FSRV_PORT_TCP=80",
        "FSRV_PORT_80=80",
        "FSRV_PORT_8080_TCPX=1",
        "FSRV_SERVICE_HOSTS=a",
        "FSRV_SERVICEHOST=a",
        "FSRV_VERSIONS=1",
        "FSRV_NAME=web",
        "FSRV_HEADER_TIMEOUTS=1s",
        "FSRV_ADMIN_PORT=9090",
        "FSRV_service_host=1.2.3.4",
    };
    for (const char* variable : cases) EXPECT_FALSE(invoke({}, {variable})) << variable;
}

TEST(Environment, LeavesOtherProgramsVariablesAlone) {
    EXPECT_TRUE(invoke({}, {"PATH=/bin", "FSRVX=1", "fsrv_port=x", "FSRV_PORT", "", "="}));
}

TEST(Environment, CommasSeparateAList) {
    EXPECT_EQ(invoke({}, {"FSRV_HOST=::1,127.0.0.1"})->options.host, (Hosts{"::1", "127.0.0.1"}));
    EXPECT_EQ(invoke({}, {"FSRV_HOST=::1"})->options.host, Hosts{"::1"});
}

TEST(Environment, MayBeMissing) {
    const char* const argv[] = {"fsrv", nullptr};
    EXPECT_TRUE(parse_invocation(1, argv, nullptr));
    EXPECT_TRUE(parse_invocation(0, argv + 1, nullptr));
}

TEST(ConfigFile, TakesNativeValues) {
    const auto result = parse_config("port = 0x50\n"
                                     "listing = false\n"
                                     "hidden = 1\n"
                                     "workers = 3\n"
                                     "min-rate = 65_536\n"
                                     "grace = 0\n"
                                     "host = ['::1', \"127.0.0.1\"]\n"
                                     "\"index\" = '''a.html'''\n",
                                     "f");
    ASSERT_TRUE(result) << refusal(result);
    EXPECT_EQ(result->options.port, 80);
    EXPECT_FALSE(result->options.listing);
    EXPECT_TRUE(result->options.hidden);
    EXPECT_EQ(result->options.workers, (WorkerRange{3, 3}));
    EXPECT_EQ(result->options.min_rate, 65536U);
    EXPECT_EQ(result->options.grace.count(), 0);
    EXPECT_EQ(result->options.host, (Hosts{"::1", "127.0.0.1"}));
    EXPECT_EQ(result->options.index, "a.html");
}

TEST(ConfigFile, AListMayBeWrittenAsInAVariable) {
    EXPECT_EQ(parse_config("host = '::1,127.0.0.1'", "f")->options.host,
              (Hosts{"::1", "127.0.0.1"}));
    EXPECT_TRUE(parse_config("host = ''", "f")->options.host.empty());
    EXPECT_TRUE(parse_config("host = []", "f")->options.host.empty());
}

TEST(ConfigFile, ComesAsEditorsWriteIt) {
    for (const std::string& text :
         {""s, "\n"s, "# nothing\n"s, "\xef\xbb\xbf"s, "\xef\xbb\xbfport = 80"s, "port = 80\r\n"s,
          "# c\r\n\r\nport = 80\r\n"s, "port=80#x"s}) {
        const auto result = parse_config(text, "f");
        EXPECT_TRUE(result) << refusal(result);
    }
}

TEST(ConfigFile, AFractionIsANumberWhereAnOptionTakesOne) {
    for (const std::string& text : {"client-requests = 0.5"s, "client-requests = '0.5'"s}) {
        const auto result = parse_config(text, "f");
        ASSERT_TRUE(result) << refusal(result);
        EXPECT_EQ(result->options.client_requests, Thousandths{500});
    }
}

struct BadFile {
    std::string text;
    std::string message; // what it begins with
};

TEST(ConfigFile, AMistakeIsNamedWithItsLine) {
    const BadFile cases[] = {
        {"port = 80\nprot = 1\n", "f.toml:2: \"prot\": no such key; did you mean port?"},
        {"\n\nheader_timeout = '1s'",
         "f.toml:3: \"header_timeout\": no such key; did you mean header-timeout?"},
        {"config = 'x'", "f.toml:1: \"config\": no such key; see fsrv --help"},
        {"\xef\xbb\xbf\r\nprot = 1\r\n", "f.toml:2: \"prot\": no such key; did you mean port?"},
        {"\"a\\nb\" = 1", "f.toml:1: \"a\\x0ab\": no such key; see fsrv --help"},
        {"\"\" = 1", "f.toml:1: \"\": no such key; see fsrv --help"},
        {"[server]\nport = 80", "f.toml:1: \"server\": no such key; see fsrv --help"},
        {"server.port = 80", "f.toml:1: \"server\": no such key; see fsrv --help"},
        // the first line that is wrong, not the first key of the alphabet
        {"zoo = 1\nabc = 1", "f.toml:1: \"zoo\": no such key; see fsrv --help"},
        {"port = -1", "f.toml:1: port: expected a number from 0 to 65535, not \"-1\""},
        {"port = 1.5", "f.toml:1: port: expected a number from 0 to 65535, not a fraction"},
        {"port = true", "f.toml:1: port: expected a number from 0 to 65535, not \"on\""},
        {"port = []", "f.toml:1: port: expected a number from 0 to 65535, not an array"},
        {"port = [80]", "f.toml:1: port: expected a number from 0 to 65535, not an array"},
        {"port.x = 1", "f.toml:1: port: expected a number from 0 to 65535, not a table"},
        {"[port]", "f.toml:1: port: expected a number from 0 to 65535, not a table"},
        {"[[port]]", "f.toml:1: port: expected a number from 0 to 65535, not an array"},
        {"grace = 10:00:00", "f.toml:1: grace: expected a time from 0 to 720h, such as 500ms, 10s, "
                             "5m or 1h, not a date or time of day"},
        {"grace = 1979-05-27", "f.toml:1: grace: expected a time from 0 to 720h"},
        {"grace = nan", "f.toml:1: grace: expected a time from 0 to 720h"},
        {"header-timeout = 10", "f.toml:1: header-timeout: expected a time from 1ms to 720h"},
        {"host = [[]]", "f.toml:1: host: expected addresses, none of them empty, not an array"},
        {"host = [1.5]", "f.toml:1: host: expected addresses, none of them empty, not a fraction"},
        {"host = ['::1', {}]",
         "f.toml:1: host: expected addresses, none of them empty, not a table"},
        {"host = ['']", "f.toml:1: host: expected addresses, none of them empty, not \"\""},
        {"host = {}", "f.toml:1: host: expected addresses, none of them empty, not a table"},
        {"port = 1\nport = 2", "f.toml:2: "},
        {"port", "f.toml:1: "},
        {"port = ", "f.toml:1: "},
        {"port = 80 81", "f.toml:1: "},
        {"port = 010", "f.toml:1: "},
        {"port = 99999999999999999999", "f.toml:1: "},
        {"# ok\nindex = \"x", "f.toml:2: "},
        {"index = \"\\q\"", "f.toml:1: "},
        {"index = \"\xff\"", "f.toml:1: "},
        {"# \x01", "f.toml:1: "},
        {"host = [", "f.toml:1: "},
        {"[", "f.toml:1: "},
        {"\x7f"
         "ELF\x02\x01\x01",
         "f.toml:1: "},
        {"\xff\xfe"
         "p\0o\0r\0t\0"s,
         "f.toml:1: "},
        {"\0"s, "f.toml:1: "},
        {"[=]", "f.toml:1: "},              // an assertion of toml++
        {"port = 1\xc3\xa9", "f.toml:1: "}, // a broken promise of toml++
        {"port\xc2\xa0= 1", "f.toml:1: "},
        {"port = 8\0000"s, "f.toml:1: "},
    };
    for (const BadFile& c : cases) {
        const std::string message = refusal(parse_config(c.text, "f.toml"));
        EXPECT_TRUE(message.starts_with(c.message)) << message << " for " << c.message;
        EXPECT_GT(message.size(), std::string("f.toml:1: ").size());
        EXPECT_EQ(message, printable(message));
    }
}

TEST(ConfigFile, DeepNestingIsRefused) {
    std::string dotted = "a";
    std::string braces = "a = ";
    for (int i = 0; i < 100'000; ++i) dotted += ".a";
    for (int i = 0; i < 100'000; ++i) braces += "{a=";
    const std::string cases[] = {
        dotted + " = 1",
        "[" + dotted + "]",
        "host = " + std::string(100'000, '['),
        braces,
        "# \"\n" + dotted + " = 1 # \"",
        "x = '\\'\n" + dotted + " = 1",
    };
    for (const std::string& text : cases) {
        const std::string message = refusal(parse_config(text, "f.toml"));
        EXPECT_TRUE(message.starts_with("f.toml:")) << message.substr(0, 200);
        EXPECT_LT(message.size(), 1000U);
    }
}

TEST(ConfigFile, DotsInStringsAreNoNesting) {
    std::string dots(100'000, '.');
    EXPECT_EQ(refusal(parse_config("# " + dots + "\nport = 80\n", "f")), "accepted");
    for (const std::string quote : {"\"", "'", "\"\"\"", "'''"}) {
        EXPECT_EQ(refusal(parse_config("root = " + quote + std::string(4000, '.') + quote, "f")),
                  "accepted");
    }
    EXPECT_EQ(refusal(parse_config("root = \"\\\"" + std::string(4000, '.') + "\"", "f")),
              "accepted");
}

TEST(ConfigFile, MustBeASmallRegularFile) {
    const test::TempDir dir;
    ASSERT_EQ(mkfifo((dir / "fifo").c_str(), 0600), 0);
    test::write_file(dir / "huge", std::string(1024 * 1024 + 1, '#'));
    test::write_file(dir / "big", std::string(1024 * 1024, '#'));
    test::write_file(dir / "utf\n8", "prot = 1");
    struct Case {
        std::string path;
        std::string trouble;
    };
    const Case cases[] = {
        {dir / "nothing", "No such file or directory (ENOENT)"},
        {dir.str(), "not a regular file"},
        {dir / "fifo", "not a regular file"},
        {"/dev/zero", "not a regular file"},
        {"/dev/tty/x", "Not a directory (ENOTDIR)"},
        {dir / "huge", "larger than 1 MiB"},
    };
    for (const Case& c : cases) {
        const std::string rest = fmt::format(": \"{}\": {}", c.path, c.trouble);
        EXPECT_EQ(refusal(invoke({"--config", c.path})), "--config" + rest);
        EXPECT_EQ(refusal(invoke({}, {"FSRV_CONFIG=" + c.path})), "FSRV_CONFIG" + rest);
    }
    EXPECT_EQ(refusal(invoke({"--config", dir / "big"})), "accepted");
    EXPECT_TRUE(refusal(invoke({"--config", dir / "utf\n8"}))
                    .ends_with("/utf\\x0a8:1: \"prot\": no such key; did you mean port?"));
}

TEST(Places, SayWhereAValueIsFromUnlessItIsTheDefault) {
    const test::TempDir dir;
    test::write_file(dir / "f.toml", "threads = 2\n\nindex = \"a\"\nport = 1\n");
    const std::string file = dir / "f.toml";
    const auto result = invoke({"--config", file, "--port", "3", "/srv"}, {"FSRV_THREADS=2"});
    ASSERT_TRUE(result) << refusal(result);
    EXPECT_EQ(result->places, (Places{{"root", "DIR"},
                                      {"port", "--port"},
                                      {"threads", "FSRV_THREADS"},
                                      {"index", file + ":3: index"}}));
}

TEST(ConfigFile, ALinkToAFileIsOne) {
    const test::TempDir dir;
    test::write_file(dir / "f.toml", "port = 80");
    std::filesystem::create_symlink("f.toml", dir / "link");
    EXPECT_EQ(invoke({"--config", dir / "link"})->options.port, 80);
}

} // namespace
} // namespace fsrv
